"""Dtypes as objects: equal to every library's own, one object for each name."""

import numpy as np
import pytest

import cnnkit
from cnnkit.backends import DTYPES, dtype, dtype_of, get, promote_types, result_type


@pytest.mark.parametrize("name", ["bool", "int32", "float32"])
def test_a_tensors_dtype_is_one_object_on_every_backend(backend, name):
    x = cnnkit.tensor([1], dtype=name, backend=cnnkit.backends.current())
    assert x.dtype is getattr(cnnkit, name)
    assert x.dtype == x.array.dtype
    assert x.dtype == np.dtype(name)
    assert hash(x.dtype) == hash(name)


@pytest.mark.parametrize("name", DTYPES)
def test_numpy_takes_a_dtype_for_its_own(name):
    if name == "bfloat16":
        pytest.skip("NumPy has none")
    assert np.zeros(1, dtype(name)).dtype == dtype(name)
    assert dtype(name).itemsize == np.dtype(name).itemsize
    assert dtype_of(np.dtype(name)) is dtype(name)


def test_other_names_and_things_are_not_equal():
    assert cnnkit.float32 != "float64"
    assert cnnkit.float32 != np.dtype("float64")
    assert cnnkit.float32 != None  # noqa: E711 - what a user may write
    assert cnnkit.float32 != 32


def test_promotion_is_numpys_within_a_kind():
    for kind in ("int", "float"):
        names = [name for name in DTYPES if dtype(name).kind == kind and name != "bfloat16"]
        for first in names:
            for second in names:
                expected = np.promote_types(first, second)
                if kind == "int" and expected.kind == "f":  # no integer holds both
                    with pytest.raises(TypeError, match=r"have no common dtype; convert one with \.to\(\)"):
                        promote_types(first, second)
                else:
                    assert promote_types(first, second) == expected


def test_a_library_has_its_own_dtype_for_the_object():
    strict = get("array-api-strict")
    assert strict.dtype(cnnkit.float32) is strict.namespace.float32
    assert result_type(strict.asarray([1.0], "float32"), 2) is cnnkit.float32


def test_the_default_dtype_is_that_of_floats_and_parameters():
    cnnkit.set_default_dtype(cnnkit.float64)
    try:
        made = [cnnkit.tensor([1.0]), cnnkit.zeros(1), cnnkit.nn.Linear(1, 1).weight, cnnkit.tensor([1]) / 2,
                cnnkit.tensor([1]) + 0.5, cnnkit.tensor([4]).sqrt()]
    finally:
        cnnkit.set_default_dtype("float32")
    assert {x.dtype for x in made} == {cnnkit.float64}
