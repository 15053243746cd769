"""Every kernel that cnnkit ships has cases: in each table that pyproject.toml names, installed or not."""

import importlib
import inspect
import tomllib
from pathlib import Path

import pytest

from cnnkit import conformance
from cnnkit.backends.kernel import KERNEL_KINDS, OP, UPDATE
from cnnkit.conformance.kernels import matches, without_case, written
from cnnkit.ops.folding import CONV_CHAIN
from cnnkit.ops.update import UPDATES

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
ARRAYS = {"conv": 3, "linear": 3, "norm": 5}  # that an op of this role takes at the front of a chain
SHIPPED = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["entry-points"]["cnnkit.kernels"]


@pytest.fixture(params=SHIPPED)
def table(request):
    """A table that cnnkit ships; its kernels can be listed even where its library is not installed."""
    module, _, attribute = SHIPPED[request.param].partition(":")
    try:
        table = getattr(importlib.import_module(module), attribute)
        table.load()
    except (ImportError, OSError) as error:
        pytest.skip(f"the kernels of {request.param} cannot be listed here: {error}")
    return table


def test_the_tables_are_those_that_this_test_is_about():
    assert set(SHIPPED) == {"numpy", "cpu", "cupy", "cudnn", "emulator", "onnx"}


def test_a_table_that_computes_fuses_by_few_patterns_of_roles(table):
    patterns = {key for key in table.load() if isinstance(key, tuple)}
    if table.name == "onnx":  # fuses nothing: it draws two chains as one operator each
        assert patterns == {("conv_input", "add"), ("resample", "resample", "resample?")}
    else:
        assert patterns <= {CONV_CHAIN, ("linear", "activation"), ("norm", "add?", "activation?")}


def test_no_shipped_kernel_is_without_a_case(table):
    assert len(table.load()) > (2 if table.name == "cudnn" else 10)  # cuDNN's convolutions alone
    assert [written(key) for key in without_case(table.load(), conformance.EVERY_CASE)] == []


def test_every_shipped_kernel_serves_one_of_its_cases(table):
    if (status := conformance.names()[table.name]) is not True:
        pytest.skip(f"{table.name} cannot run here: {status}")
    with conformance.Target(table.name).entered() as target:
        idle = [written(key) for key in table.load() if not any(
            matches(key, case.kernel) and case.served(target) == ("native", table.name)
            for case in conformance.EVERY_CASE)]
    assert idle == []


def test_a_kernel_without_a_case_is_found():
    strange = ["shampoo", ("relu", "tanh")]
    table = dict.fromkeys([*(case.kernel for case in conformance.EVERY_CASE), *strange])
    assert without_case(table, conformance.EVERY_CASE) == strange
    for kernel in ("sgd", "random_bits", "look_up", ("batch_norm", "add"), "conv"):
        rest = [case for case in conformance.EVERY_CASE if case.kernel != kernel]
        assert without_case(table, rest) == [kernel, *strange]


def test_every_shipped_kernel_has_the_signature_of_its_kind(table):
    for key, found in table.load().items():
        for kernel in found if isinstance(found, tuple) else (found,):
            signature = inspect.signature(kernel, follow_wrapped=False)
            if isinstance(key, tuple):
                arrays = sum(ARRAYS.get(name, 0) for name in key) - ("norm" in key[1:])
                signature.bind(*[None] * arrays, needs=(), calls=())
                continue
            kind = KERNEL_KINDS[key]
            if kind is OP:
                case = next(case for case in conformance.EVERY_CASE if case.kernel == key)
                signature.bind(*case.inputs, needs=(), **case.attrs)
            elif kind is UPDATE:
                body = inspect.signature(UPDATES[key].generic)
                signature.bind(*[None] * 3, **dict.fromkeys(p.name for p in body.parameters.values()
                                                            if p.kind is p.KEYWORD_ONLY))
            else:
                signature.bind(*[None] * 3)
