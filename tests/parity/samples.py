"""PyTorch's samples, run through both libraries and compared."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import torch

import cnnkit
from cnnkit import nn
from parity.surface import RANDOM, RANDOM_MODULES

# what the samples' arguments are called with here, where PyTorch's harness has an order of its own
REORDERED = {
    "einsum": lambda operands, equation: cnnkit.einsum(equation, operands),
    "where": lambda input, condition, other: cnnkit.where(condition, input, other),
    "nn.functional.embedding": lambda weight, index, **settings:
        cnnkit.functional.embedding(index, weight, **settings),
    "nn.functional.embedding_bag": lambda weight, index, *args, **settings:
        cnnkit.functional.embedding_bag(index, weight, *args, **settings),
}
FORMATS = (torch.memory_format, torch.layout)


class NotComparedError(Exception):
    """A sample that has something which only PyTorch has."""


def converted(value: Any, leaves: dict[int, tuple]) -> Any:
    """An argument of PyTorch's as cnnkit's; `leaves` holds the Tensors of both."""
    if isinstance(value, torch.Tensor):
        if value.is_complex() or value.is_sparse:
            raise NotComparedError("complex or sparse")
        if id(value) not in leaves:
            array = value.detach().numpy().copy()
            leaves[id(value)] = value, cnnkit.tensor(array, requires_grad=bool(value.requires_grad))
        return leaves[id(value)][1]
    if isinstance(value, torch.dtype):
        return getattr(cnnkit, str(value).removeprefix("torch."))
    if isinstance(value, torch.device):
        return str(value)
    if isinstance(value, FORMATS):
        raise NotComparedError("a format of memory")
    if isinstance(value, dict):
        return {key: converted(v, leaves) for key, v in value.items()}
    if isinstance(value, tuple | list):
        parts = [converted(v, leaves) for v in value]
        return parts if isinstance(value, list) else tuple(parts)
    return value


def flat(value: Any) -> list:
    """The leaves of nested lists, tuples and dicts."""
    if isinstance(value, dict):
        value = tuple(value.values())
    return [leaf for v in value for leaf in flat(v)] if isinstance(value, tuple | list) else [value]


def compare(theirs: Any, ours: Any, what: str, values: bool = True) -> None:
    """Raise AssertionError where two results differ."""
    if not isinstance(theirs, torch.Tensor):
        np.testing.assert_equal(ours, theirs, err_msg=what)
        return
    assert isinstance(ours, cnnkit.Tensor), f"{what}: {type(ours).__name__}, and PyTorch gives a Tensor"
    expected, actual = theirs.detach().numpy(), ours.detach().numpy()
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, PyTorch {expected.shape}"
    assert str(actual.dtype) == str(expected.dtype), f"{what}: {actual.dtype}, PyTorch {expected.dtype}"
    if values:
        np.testing.assert_allclose(actual, expected, rtol=1e-7, atol=1e-9, err_msg=what)


def backward(outputs: list, library: Any) -> bool:
    """Backward from a weighted sum of all outputs; whether there was anything to go back through."""
    total = None
    for i, output in enumerate(outputs):
        if isinstance(output, torch.Tensor | cnnkit.Tensor) and output.requires_grad:
            weight = np.random.default_rng(i).uniform(0.5, 1.5, tuple(output.shape))
            part = (output * library.tensor(weight, dtype=output.dtype)).sum()
            total = part if total is None else total + part
    if total is not None:
        total.backward()
    return total is not None


def compare_gradients(pairs: list[tuple]) -> None:
    for theirs, ours in pairs:
        if theirs.grad is None:
            assert ours.grad is None or not ours.grad.numpy().any(), "a gradient where PyTorch has none"
        elif ours.grad is None:
            assert not theirs.grad.any(), "no gradient"
        else:
            compare(theirs.grad, ours.grad, "gradient")


def function_of(name: str) -> Any:
    """cnnkit's function of a sample's name, or ``None``."""
    if name in REORDERED:
        return REORDERED[name]
    if name.startswith("nn.functional."):
        return getattr(cnnkit.functional, name.rpartition(".")[2], None)
    found = getattr(cnnkit, name, None)
    if found is None or isinstance(found, cnnkit.dtype):  # `float` is a dtype here, too
        found = getattr(cnnkit.Tensor, name, None)
    return found.fget if isinstance(found, property) else found


def judge_function(name: str, function: Any, op: Any, sample: Any) -> None:
    """Run one sample of a function; raise where the results differ."""
    leaves: dict[int, tuple] = {}
    arguments = converted([sample.input, *sample.args], leaves)
    settings = converted(sample.kwargs, leaves)
    for theirs, _ in leaves.values():
        theirs.grad = None  # samples share leaves
    expected = flat(op(sample.input, *sample.args, **sample.kwargs))
    actual = flat(function(*arguments, **settings))
    assert len(actual) == len(expected), f"{len(actual)} results, PyTorch {len(expected)}"
    for theirs, ours in zip(expected, actual):
        compare(theirs, ours, "value", name not in RANDOM)
    if name in RANDOM or any(isinstance(e, torch.Tensor) and e.requires_grad and e.is_leaf for e in expected):
        return
    if backward(expected, torch):
        backward(actual, cnnkit)
        compare_gradients([(t, o) for t, o in leaves.values() if t.requires_grad and t.is_leaf])


def judge_module(name: str, sample: Any, training: bool) -> None:
    """Run one sample of a module; raise where results, gradients or the state differ."""
    constructor, call = sample.constructor_input, sample.forward_input
    torch.set_default_dtype(torch.float64)
    theirs = getattr(torch.nn, name)(*constructor.args, **constructor.kwargs).train(training)
    torch.set_default_dtype(torch.float32)
    ours = getattr(nn, name)(*converted(list(constructor.args), {}), **converted(constructor.kwargs, {}))
    ours.train(training).double()
    if "Lazy" in name:
        with torch.no_grad():
            theirs(*call.args, **call.kwargs)
        ours(*converted([a.detach() for a in call.args], {}))
    state = theirs.state_dict()
    assert list(state) == list(ours.state_dict()), f"state {list(ours.state_dict())}, PyTorch {list(state)}"
    ours.load_state_dict({key: value.detach().numpy().copy() for key, value in state.items()})
    leaves: dict[int, tuple] = {}
    arguments, settings = converted(list(call.args), leaves), converted(call.kwargs, leaves)
    expected, actual = flat(theirs(*call.args, **call.kwargs)), flat(ours(*arguments, **settings))
    assert len(actual) == len(expected), f"{len(actual)} results, PyTorch {len(expected)}"
    drawn = name in RANDOM_MODULES and training
    for one, other in zip(expected, actual):
        compare(one, other, "value", not drawn)
    if not drawn and backward(expected, torch):
        backward(actual, cnnkit)
        mine = dict(ours.named_parameters())
        compare_gradients([*((t, o) for t, o in leaves.values() if t.requires_grad and t.is_leaf),
                           *((p, mine[key]) for key, p in theirs.named_parameters())])
    for key, value in theirs.state_dict().items():
        compare(value, ours.state_dict()[key], f"state {key}")


class Tally:
    """What became of one name's samples."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []

    def run(self, judge: Any, *arguments: Any) -> None:
        try:
            judge(*arguments)
        except NotComparedError:
            self.counts["not compared"] += 1
        except Exception as error:  # whatever it is, it is a difference
            self.counts["failed"] += 1
            self.faults.append(f"{type(error).__name__}: {' '.join(str(error).split()):.200}")
        else:
            self.counts["passed"] += 1

    @property
    def judged(self) -> int:
        return self.counts["passed"] + self.counts["failed"]
