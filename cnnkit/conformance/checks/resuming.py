"""The check of saved state: parameters and an optimizer's state, written to a file's bytes and read again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnkit import optim
from cnnkit.autograd import Tensor
from cnnkit.backends import dtype_name
from cnnkit.conformance.checks.comparing import bits
from cnnkit.ops.update import UPDATES
from cnnkit.safetensors import from_bytes, tensors_from_bytes, to_bytes
from cnnkit.train.tree import join, split

if TYPE_CHECKING:
    from cnnkit.conformance.kinds.update import UpdateCase
    from cnnkit.conformance.target import Target

__all__ = ["check_resumed"]


def check_resumed(case: UpdateCase, target: Target) -> None:
    """Steps that are cut in two by a file give the bits of those that are not, in 16 bits too."""
    for dtype in ("float32", *target.narrow):
        values, steps = case.drawn("float32")
        grads = [[None if g is None else target.asarray(g, dtype) for g in step] for step in steps]
        params = [Tensor(target.asarray(p, dtype), requires_grad=True) for p in values]
        optimizer = optimizer_of(case, params)
        take(optimizer, params, grads[:2])
        weights = to_bytes({str(i): p for i, p in enumerate(params)}, None)
        outline, tensors = split(optimizer.state_dict())
        saved = to_bytes(tensors, None)
        take(optimizer, params, grads[2:])

        loaded = tensors_from_bytes(weights, "the file")
        again = [Tensor(loaded[str(i)].array, requires_grad=True) for i in range(len(params))]
        kinds = {dtype_name(p.dtype) for p in again}
        assert kinds == {dtype}, f"parameters of {dtype} were read back as {', '.join(kinds)}"
        resumed = optimizer_of(case, again)
        arrays = from_bytes(saved, "the file")
        resumed.load_state_dict(join(outline, {name: Tensor(array) for name, array in arrays.items()}))
        take(resumed, again, grads[2:])
        assert bits(target, [p.array for p in again]) == bits(target, [p.array for p in params]), \
            f"{dtype} parameters whose steps went on from a file differ from those of one run"


def optimizer_of(case: UpdateCase, params: list[Tensor]) -> optim.Optimizer:
    """The optimizer that makes the case's update."""
    kinds = (getattr(optim, name) for name in optim.__all__)
    make: Any = next(kind for kind in kinds if getattr(kind, "update", None) is UPDATES[case.kernel])
    return make(params, **case.attrs)


def take(optimizer: optim.Optimizer, params: list[Tensor], steps: list[list[Any]]) -> None:
    """Make steps with these gradients."""
    for step in steps:
        for p, g in zip(params, step):
            p.grad = None if g is None else Tensor(g)
        optimizer.step()
