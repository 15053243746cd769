"""`use` and `tables`: for the process as a call, for the thread as a block, and never for arrays that exist."""

import threading

import numpy as np
import pytest

import cnnkit
from cnnkit import backends

strict = pytest.importorskip("array_api_strict")


@pytest.fixture(autouse=True)
def back_to_default():
    yield
    cnnkit.use(None)


def made():
    return cnnkit.tensor([1.0]).backend


def in_a_thread(function):
    result = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join()
    return result[0]


def test_the_default_is_numpy():
    assert made() == "numpy"


def test_as_a_call_it_holds_for_the_whole_process():
    cnnkit.use("array-api-strict")
    assert made() == "array-api-strict"
    assert in_a_thread(made) == "array-api-strict"


def test_as_a_block_it_holds_for_this_thread_until_the_end():
    with cnnkit.use("array-api-strict"):
        assert made() == "array-api-strict"
        assert in_a_thread(made) == "numpy"
        with cnnkit.use("numpy"):
            assert made() == "numpy"
        assert made() == "array-api-strict"
    assert made() == "numpy"


def test_a_block_ends_with_an_exception_too():
    with pytest.raises(KeyError), cnnkit.use("array-api-strict"):
        raise KeyError
    assert made() == "numpy"


def test_arrays_that_exist_stay_where_they_are():
    x = cnnkit.tensor([1.0])
    with cnnkit.use("array-api-strict"):
        assert (x + 1).backend == "numpy"
        assert cnnkit.Tensor(x.array).backend == "numpy"


def test_a_tables_name_means_its_backend_with_that_table_and_its_own():
    backends.register_table(backends.KernelTable("extra", "numpy", {"relu": lambda *a, **k: NotImplemented}))
    try:
        with cnnkit.use("numpy"):
            own = len(backends.get("numpy").resolve().single.get("relu", ()))
        with cnnkit.use("extra"):
            assert made() == "numpy"
            assert len(backends.get("numpy").resolve().single["relu"]) == own + 1
        assert len(backends.get("numpy").resolve().single["relu"]) >= own + 1
        with backends.tables():
            assert backends.get("numpy").resolve().single == {}
    finally:
        backends.register_table(remove="extra")


def test_unknown_tables_are_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"no kernel table 'nvidia'; there are .*numpy"), backends.tables("nvidia"):
        pass


def test_a_namespace_is_a_backend_too():
    with cnnkit.use(strict):
        assert made() == "array-api-strict"


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
