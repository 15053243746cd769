"""`cnnkit.cuda` with CuPy and without it."""

import pytest

import cnnkit
from cnnkit import backends, cuda


class Pretended(backends.ArrayAPIBackend):
    """Two devices, which count how often somebody waits for them."""

    waits = 0

    def devices(self):
        return {"0": "first", "1": "second"}

    def synchronize(self):
        self.waits += 1

    def device(self):
        return "a card"

    def memory_bytes(self):
        return 100, 300


@pytest.fixture
def two_devices(monkeypatch):
    backend = Pretended("cupy", __import__("array_api_strict"))
    monkeypatch.setattr(backends, "get", lambda name: backend)
    monkeypatch.setattr(backends, "place", lambda name: (backend, "second"))
    return backend


def test_without_a_device_there_is_nothing_to_use(monkeypatch):
    def unavailable(name):
        raise backends.Unavailable("not here")
    monkeypatch.setattr(backends, "get", unavailable)
    assert (cuda.is_available(), cuda.device_count()) == (False, 0)
    cuda.empty_cache()
    assert (cuda.memory_allocated(), cuda.memory_reserved(), cuda.max_memory_allocated()) == (0, 0, 0)
    for call in (cuda.synchronize, lambda: cuda.set_device(0)):
        with pytest.raises(backends.Unavailable, match="not here"):
            call()


def test_devices_are_those_of_the_backend(two_devices):
    assert (cuda.is_available(), cuda.device_count(), cuda.current_device()) == (True, 2, 1)
    assert cuda.get_device_name() == "a card"
    cuda.synchronize()
    assert two_devices.waits == 1


def test_memory_is_what_the_backend_says(two_devices):
    assert (cuda.memory_allocated(), cuda.memory_reserved(), cuda.max_memory_allocated()) == (100, 300, 300)


def test_another_device_is_chosen_by_use(two_devices):
    cuda.set_device(1)
    cuda.set_device("cuda:1")
    cuda.set_device("cuda")
    for device in (0, "cuda:0"):
        with pytest.raises(RuntimeError, match=r"device 0 is not the one .* cnnkit.use\('cuda:0'\)"):
            cuda.set_device(device)


def test_names_that_are_cupys_business_say_so():
    with pytest.raises(AttributeError, match=r"no attribute 'Event'; measure with time.perf_counter"):
        cuda.Event  # noqa: B018


def test_seeds_are_the_generators():
    with cnnkit.random.seeded(0):
        cuda.manual_seed_all(5)
        first = cnnkit.rand(3).tolist()
        cuda.manual_seed(5)
        assert cnnkit.rand(3).tolist() == first
