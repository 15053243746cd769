"""Checkpoints of activations: what a part of a network saves for backward is computed again instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnnkit import nn, random
from cnnkit.autograd import Tensor, enable_grad, is_grad_enabled
from cnnkit.autograd import backward as walk_back
from cnnkit.autograd.custom import step

__all__ = ["checkpoint", "checkpoint_sequential"]


class _Call(nn.Module):
    """A call of any function as a module's, so that its kernels are fused the same way both times."""

    def __init__(self, function: Callable):
        super().__init__()
        vars(self)["forward"] = function


def checkpoint(function: Callable, *args: Any, use_reentrant: bool | None = None,
               preserve_rng_state: bool = True, **kwargs: Any) -> Any:
    """``function(*args, **kwargs)``, whose middle results are not kept for backward but computed again.

    It costs a second forward pass of the function, and saves the memory of what is within it. Results and
    gradients are the same, with dropout too. Batch norm counts its batch twice, as with PyTorch.

    Parameters
    ----------
    function : callable
        A module or a function of Tensors that returns a Tensor or a tuple.
    *args, **kwargs
        Its arguments.
    use_reentrant : bool, optional
        Accepted as PyTorch's; there is one way here, which keeps both ways' promises.
    preserve_rng_state : bool
        Draw the same random numbers again.

    Raises
    ------
    RuntimeError
        In backward, for a second derivative.

    References
    ----------
    Chen, Xu, Zhang and Guestrin, "Training deep nets with sublinear memory cost", 2016.

    Examples
    --------
    >>> import cnnkit
    >>> x = cnnkit.tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda x: (x * x).exp(), x).sum().backward()
    >>> x.grad.numpy().round(2)
    array([  5.44, 218.39], dtype=float32)
    """
    if not is_grad_enabled():
        return function(*args, **kwargs)
    call, state = _Call(function), random.get_state()
    places = [n for n, value in enumerate(args) if isinstance(value, Tensor)]

    def leaves() -> tuple[list, list[Tensor]]:
        copies = list(args)
        for n in places:
            copies[n] = args[n].detach()
            copies[n].requires_grad_(args[n].requires_grad)
        return copies, [copies[n] for n in places]
    result = call(*leaves()[0], **kwargs)
    outputs = result if isinstance(result, tuple) else (result,)
    recorded = [n for n, value in enumerate(outputs) if isinstance(value, Tensor) and value.requires_grad]
    if not recorded:
        return result

    def backward(*dys: Tensor | None) -> tuple:
        if is_grad_enabled():
            raise RuntimeError("a checkpoint has no second derivatives; call the function itself")
        now = random.get_state()
        if preserve_rng_state:
            random.set_state(state)
        try:
            with enable_grad():
                copies, inputs = leaves()
                again = call(*copies, **kwargs)
        finally:
            if preserve_rng_state:
                random.set_state(now)
        again = again if isinstance(again, tuple) else (again,)
        pairs = [(again[n], dy) for n, dy in zip(recorded, dys) if dy is not None]
        walk_back([output for output, _ in pairs], [dy for _, dy in pairs])
        return None, *(x.grad for x in inputs)
    trigger = outputs[recorded[0]].detach().sum().requires_grad_()  # parameters may need what no input does
    tensors = step("a checkpoint", [outputs[n].array for n in recorded],
                   [trigger, *(args[n] for n in places)], backward)
    new = list(outputs)
    for n, tensor in zip(recorded, tensors):
        new[n] = tensor
    return tuple(new) if isinstance(result, tuple) else new[0]


def checkpoint_sequential(functions: Any, segments: int, input: Any, use_reentrant: bool | None = None,
                          preserve_rng_state: bool = True) -> Any:
    """Run layers one after the other in `segments` parts, each but the last a `checkpoint`.

    >>> import cnnkit
    >>> net = cnnkit.nn.Sequential(cnnkit.nn.ReLU(), cnnkit.nn.Tanh(), cnnkit.nn.ReLU())
    >>> checkpoint_sequential(net, 2, cnnkit.tensor([-1.0, 0.0]))
    tensor([0., 0.])
    """
    layers = list(functions)
    size, end = len(layers) // segments, 0
    for start in range(0, size * (segments - 1), size):
        end = start + size
        input = checkpoint(nn.Sequential(*layers[start:end]), input, preserve_rng_state=preserve_rng_state)
    for layer in layers[end:]:
        input = layer(input)
    return input
