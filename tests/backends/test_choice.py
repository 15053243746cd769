"""`use` and `tables`: a call is for the process, a block for the thread; existing arrays stay."""

import threading

import numpy as np
import pytest

import cnnkit
from cnnkit import Tensor, backends, nn, optim, random
from cnnkit import functional as F

strict = pytest.importorskip("array_api_strict")


@pytest.fixture(autouse=True)
def back_to_default():
    yield
    cnnkit.use(None)


def backend_of_a_new_tensor():
    return cnnkit.tensor([1.0]).backend


def in_a_thread(function):
    result = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join()
    return result[0]


def test_the_default_is_numpy():
    assert backend_of_a_new_tensor() == "numpy"


def test_as_a_call_it_holds_for_the_whole_process():
    cnnkit.use("array-api-strict")
    assert backend_of_a_new_tensor() == "array-api-strict"
    assert in_a_thread(backend_of_a_new_tensor) == "array-api-strict"


def test_as_a_block_it_holds_for_this_thread_until_the_end():
    with cnnkit.use("array-api-strict"):
        assert backend_of_a_new_tensor() == "array-api-strict"
        assert in_a_thread(backend_of_a_new_tensor) == "numpy"
        with cnnkit.use("numpy"):
            assert backend_of_a_new_tensor() == "numpy"
        assert backend_of_a_new_tensor() == "array-api-strict"
    assert backend_of_a_new_tensor() == "numpy"


def test_a_block_ends_with_an_exception_too():
    with pytest.raises(KeyError), cnnkit.use("array-api-strict"):
        raise KeyError
    assert backend_of_a_new_tensor() == "numpy"


def test_arrays_that_exist_stay_where_they_are():
    x = cnnkit.tensor([1.0])
    with cnnkit.use("array-api-strict"):
        assert (x + 1).backend == "numpy"
        assert cnnkit.Tensor(x.array).backend == "numpy"


def test_a_tables_name_means_its_backend_with_that_table_and_its_own():
    backends.register_table(backends.KernelTable("extra", "numpy", {"relu": lambda *a, **k: NotImplemented}))
    try:
        with cnnkit.use("numpy"):
            count = len(backends.get("numpy").resolve().single.get("relu", ()))
        with cnnkit.use("extra"):
            assert backend_of_a_new_tensor() == "numpy"
            assert len(backends.get("numpy").resolve().single["relu"]) == count + 1
        assert len(backends.get("numpy").resolve().single["relu"]) >= count + 1
        with backends.tables():
            assert backends.get("numpy").resolve().single == {}
    finally:
        backends.register_table(remove="extra")


def test_unknown_tables_are_refused_with_those_there_are():
    with (pytest.raises(ValueError, match=r"no kernel table 'nvidia'; there are .*numpy"),
          backends.tables("nvidia")):
        pass


def test_a_namespace_is_a_backend_too():
    with cnnkit.use(strict):
        assert backend_of_a_new_tensor() == "array-api-strict"


@pytest.mark.parametrize("data", [np.array([1.5], np.float32), [1.5], 1.5])
def test_host_data_goes_where_use_says(data):
    with cnnkit.use("array-api-strict"):
        x = cnnkit.tensor(data)
    assert x.backend == "array-api-strict"
    assert backends.dtype_name(x.dtype) == "float32"


def test_other_libraries_arrays_stay_with_theirs_unless_a_backend_is_named():
    x = strict.asarray([1.0])
    assert cnnkit.tensor(x).backend == "array-api-strict"
    assert cnnkit.tensor(x, backend="numpy").backend == "numpy"


def test_a_device_is_named_behind_the_backend_and_an_unknown_one_lists_those_that_there_are():
    with cnnkit.use("array-api-strict:device1"):
        tensors = [cnnkit.tensor([1.0]), nn.Linear(2, 2).weight, Tensor(random.uniform((0, 1), 3)),
                   Tensor(random.normal((0, 1), 3))]
    tensors += [cnnkit.tensor([1.0], backend="array-api-strict:device1"),
                cnnkit.tensor([1.0]).to("array-api-strict:device1")]
    assert {str(t.array.device) for t in tensors} == {"array_api_strict.Device('device1')"}
    assert "CPU_DEVICE" in str(cnnkit.tensor([1.0], backend="array-api-strict").array.device)
    for call in (lambda: cnnkit.use("array-api-strict:gpu"), lambda: tensors[0].to("array-api-strict:gpu")):
        with pytest.raises(ValueError,
                           match="'array-api-strict' has no device 'gpu'; it has array-api-strict:CPU_DEV"):
            call()
    with pytest.raises(ValueError, match="'numpy' has no device '1'; it has numpy:cpu"):
        cnnkit.use("numpy:1")
    assert tensors[0].numpy().tolist() == [1.0]


def test_a_model_trains_on_a_device_that_is_not_the_librarys_default():
    losses = []
    for where in ("array-api-strict:device1", "numpy"):
        random.seed(0)
        model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                              nn.Dropout(0.5), nn.Linear(36, 3)).to(where)
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        x = cnnkit.tensor(np.random.default_rng(1).standard_normal((4, 1, 8, 8)).astype(np.float32),
                          backend=where)
        y = cnnkit.tensor(np.arange(4) % 3, backend=where)
        for _ in range(2):
            optimizer.zero_grad(set_to_none=False)
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            nn.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        assert len({str(t.array.device) for t in (loss, *model.parameters(), *model.buffers())}) == 1
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
