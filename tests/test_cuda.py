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
    with pytest.raises(backends.Unavailable, match="not here"):
        cuda.synchronize()


def test_devices_are_those_of_the_backend(two_devices):
    assert (cuda.is_available(), cuda.device_count(), cuda.current_device()) == (True, 2, 1)
    assert cuda.get_device_name() == "a card"
    cuda.synchronize()
    assert two_devices.waits == 1


def test_seeds_are_the_generators():
    with cnnkit.random.seeded(0):
        cuda.manual_seed_all(5)
        first = cnnkit.rand(3).tolist()
        cuda.manual_seed(5)
        assert cnnkit.rand(3).tolist() == first
