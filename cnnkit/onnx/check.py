"""``python -m cnnkit.onnx.check``: run ONNX's own tests of its operators, and count; see docs/onnx.md.

They are the node tests of ``onnx.backend.test``: a graph of one operator, or the graph that the specification
makes it of, with inputs and the results that are expected.
"""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple

import numpy as np

from cnnkit import onnx
from cnnkit.onnx.importer import OPERATORS
from cnnkit.onnx.importer.constants import DTYPES, array_of
from cnnkit.onnx.importer.declaration import OLDEST, supported
from cnnkit.onnx.importer.graph import NEWEST
from cnnkit.onnx.importer.narrow import NARROW
from cnnkit.onnx.importer.source import Source
from cnnkit.onnx.requirement import onnx_package

__all__ = ["Result", "main", "page", "results", "run_case"]

START, END = "<!-- made by python -m cnnkit.onnx.check --write docs/onnx.md -->\n", "<!-- end -->\n"
REASONS = {  # of tests that fail where numbers were expected
    **dict.fromkeys(("test_training_dropout", "test_training_dropout_mask", "test_training_dropout_default",
                     "test_training_dropout_default_mask"),
                    "which elements are dropped is drawn by cnnkit's generator, not by NumPy's"),
    **dict.fromkeys((f"test_attention_{name}_bf16_expanded" for name in (
        "3d_causal", "4d_causal", "4d_attn_mask_causal", "4d_padded_kv", "4d_causal_padded_kv")),
                    "bfloat16 is rounded to at casts and at the end, and the test's numbers after each node"),
    "test_attention_4d_causal_fp16_expanded": "float16 products rounded in another order: 2 of 192 numbers "
                                              "differ, by 0.0005",
}
# casts whose results ONNX leaves open where a number is none of the dtype: ml_dtypes decides there
OPEN_BEYOND = re.compile(r"test_cast(?:like)?_FLOAT(?:16)?_to_(U?INT[24])(?:_expanded)?")
TENSOR_ONLY = "a sequence, an optional value or text: cnnkit has tensors of numbers only"


class Result(NamedTuple):
    """What came of a test: why it did not pass, or an empty text."""

    name: str
    reason: str


def results() -> Iterator[Result]:
    """One for each test whose operators cnnkit has."""
    onnx_package()
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in load_model_tests(kind="node"):
            model = _model(case)
            if {node.op_type for node in model.graph.node} <= OPERATORS.keys():
                yield run_case(case, model)


def _model(case: Any) -> Any:
    if case.model is not None:
        return case.model
    return onnx_package().load(Path(case.model_dir) / "model.onnx")


def run_case(case: Any, model: Any) -> Result:
    """Run one test: on NumPy, within the test's own tolerance, results of the same shape and dtype."""
    try:
        network = onnx.load(model.SerializeToString())
        for inputs, expected in _data(case, model):
            made = network(*map(_array, inputs))
            for got, wanted in zip(made if isinstance(made, tuple) else (made,), map(_array, expected)):
                defined = _defined(case, _array(inputs[0])) if inputs else ...
                _compare(got.numpy()[defined], wanted[defined], case)
    except Exception as error:  # whatever it is, the table shows it
        if not _tensors_of_numbers(model):
            return Result(case.name, TENSOR_ONLY)
        if case.name in REASONS and isinstance(error, AssertionError):
            return Result(case.name, REASONS[case.name])
        return Result(case.name, f"{type(error).__name__}: {' '.join(str(error).split())[:160]}")
    return Result(case.name, "")


def _defined(case: Any, x: np.ndarray) -> Any:
    """Which results the specification defines, as an index: all, but of some casts."""
    if (found := OPEN_BEYOND.fullmatch(case.name)) is None:
        return ...
    values = next(kind for kind in NARROW.values() if kind.name == found[1].lower()).values
    return (x >= values.min()) & (x <= values.max())


def _compare(got: np.ndarray, wanted: np.ndarray, case: Any) -> None:
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        raise AssertionError(f"{got.dtype} {got.shape} instead of {wanted.dtype} {wanted.shape}")
    if wanted.dtype.kind == "f":
        got, wanted = got.astype(np.float64), wanted.astype(np.float64)
        np.testing.assert_allclose(got, wanted, rtol=case.rtol, atol=case.atol)
    else:
        np.testing.assert_array_equal(got, wanted)


def _data(case: Any, model: Any) -> Iterator[tuple[list, list]]:
    """Inputs and expected outputs, which older versions of the package keep in files."""
    if case.data_sets is not None:
        yield from case.data_sets
        return
    package = onnx_package()
    for folder in sorted(Path(case.model_dir).glob("test_data_set_*")):
        inputs, outputs = ([package.load_tensor(folder / f"{kind}_{n}.pb") for n in range(len(values))]
                           for kind, values in (("input", model.graph.input), ("output", model.graph.output)))
        yield inputs, outputs


def _array(value: Any) -> np.ndarray:
    if isinstance(value, onnx_package().TensorProto):
        return array_of(value, Source("a test's data", 0))
    array = np.asarray(value)
    held = {kind.name: kind.held for kind in NARROW.values()}
    return array.astype(held.get(array.dtype.name, array.dtype))


def _tensors_of_numbers(model: Any) -> bool:
    """Whether inputs and outputs are nothing else."""
    return all(value.type.WhichOneof("value") == "tensor_type" and value.type.tensor_type.elem_type in DTYPES
               for value in (*model.graph.input, *model.graph.output))


def page(found: list[Result]) -> str:
    """What docs/onnx.md says of the operators and of the tests."""
    version, passed = onnx_package().__version__, _passed(found)
    rows = [f"The package `onnx` {version} has {len(found):,} tests of these operators, and {passed:,} pass "
            f"({100 * passed / len(found):.1f} %). Those that do not:", "", "| test | why not |", "|---|---|"]
    rows += [f"| `{result.name}` | {result.reason.replace('|', '/')} |" for result in found if result.reason]
    opsets = f"{OLDEST} to {NEWEST}"
    named = [name if len(versions) == 1 else f"{name} ({', '.join(map(str, versions))})"
             for name, versions in supported().items()]
    return "\n".join([f"{len(OPERATORS)} operators of opsets {opsets}, with the versions from which on their "
                      "meaning is another one:", "", fill(f"{', '.join(named)}.", 110), "", *rows, ""])


def main(arguments: list[str] | None = None) -> int:
    """Print the table, or write it into the page that ``--write`` names; 1 if fewer than 98 % pass."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table there, between its marks")
    chosen = parser.parse_args(arguments)
    found = list(results())
    text = page(found)
    if chosen.write:
        before, _, rest = chosen.write.read_text(encoding="utf-8").partition(START)
        chosen.write.write_text(f"{before}{START}{text}{END}{rest.partition(END)[2]}", encoding="utf-8")
    else:
        print(text)
    return int(_passed(found) < 0.98 * len(found))


def _passed(found: list[Result]) -> int:
    return sum(not result.reason for result in found)


if __name__ == "__main__":
    sys.exit(main())
