"""`summary`: output shapes, parameters, FLOPs and memory of a model, layer by layer, measured in a run."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from cnnkit import backends, nn
from cnnkit.autograd import Tensor
from cnnkit.foreign import device_of
from cnnkit.inspection.costs import BorrowsParameters, flops, formula
from cnnkit.inspection.report import Row, Summary
from cnnkit.inspection.unchanged import unchanged

__all__ = ["summary"]

Shape = tuple[int, ...]


def summary(model: nn.Module, input_shape: Sequence[int]) -> Summary:
    """Run a model once on zeros, and say what each layer makes, has and costs.

    Rows are the modules that have no modules inside, or parameters of their own, in the order of their calls.
    One that is called twice has two rows, and its parameters count in the first. What a model computes with
    functions (``F.relu``) is no module: it has no row, and its FLOPs and memory are not counted.

    The run is in evaluation mode, without tape; parameters, buffers, modes, hooks and random generator stay
    as they were. A layer of another kind than cnnkit's has its FLOPs counted if it has a method
    ``count_flops(input_shape, output_shape)`` (`inspection.costs.CountsFlops`).

    Parameters
    ----------
    model : Module
        Takes one Tensor.
    input_shape : tuple of int
        ``(C, H, W)`` for one image (any shape but four axes gets a batch of 1), or ``(N, C, H, W)``.

    Returns
    -------
    Summary

    >>> from cnnkit import models
    >>> summary(models.CNN((1, 28, 28), conv=[(8, 3)], hidden=[]), (1, 28, 28))
    CNN on (1, 28, 28)
    layer               type       output shape                     parameters   FLOPs   memory
    -------------------------------------------------------------------------------------------
    features.conv1      Conv2d     (8, 28, 28)        (3 x 3 x 1) x 8 + 8 = 80   113 k   24 KiB
    features.relu1      ReLU       (8, 28, 28)                               0  6.27 k   24 KiB
    features.pool1      MaxPool2d  (8, 14, 14) -75 %                         0  6.27 k  6.1 KiB
    classifier.flatten  Flatten    (1568,)                                   0       0      0 B
    classifier.fc1      Linear     (10,)              (1568 x 10) + 10 = 15690  31.4 k     40 B
    -------------------------------------------------------------------------------------------
    Total parameters: 15770 (15770 trainable, 0 not; 62 KiB)
    Forward pass of one image: 157 kFLOPs, 55 KiB of activations
    """
    shape = tuple(int(n) for n in input_shape)
    single = len(shape) != 4
    names = {id(module): name for name, module in model.named_modules()}
    counted: set[int] = set()
    rows: list[Any] = []
    started: list[int] = []

    def before(module: nn.Module, inputs: tuple) -> None:
        started.append(len(rows))
        rows.append(None)

    def after(module: nn.Module, inputs: tuple, output: Any) -> None:
        parameters = used_by(module)
        new = [p for p in parameters if id(p) not in counted]
        counted.update(id(p) for p in new)
        outputs = [t for t in (output if isinstance(output, tuple) else (output,)) if isinstance(t, Tensor)]
        in_shape = next((t.shape for t in inputs if isinstance(t, Tensor)), None)
        out_shape = outputs[0].shape if outputs else None
        shrinkage = cost = None
        if in_shape is not None and out_shape is not None:
            shrinkage = None if parameters else _shrinkage(in_shape, out_shape)
            cost = flops(module, in_shape, out_shape)
        view = isinstance(module, nn.Flatten | nn.Identity)
        rows[started.pop()] = Row(
            names[id(module)] or "(model)", module._get_name(),
            out_shape[1:] if single and out_shape else out_shape, shrinkage,
            sum(p.numel() for p in new), formula(module, new), cost,
            0 if view else sum(t.numel() * _itemsize(t) for t in outputs))

    borrowed = {id(p) for m in model.modules() if isinstance(m, BorrowsParameters)
                for p in m.borrowed_parameters()}
    layers = [m for m in model.modules() if not any(True for _ in m.children())
              or any(id(p) not in borrowed for _, p in m._own("parameters"))]
    with unchanged(model):
        handles = []
        try:
            for module in layers:
                handles += [module.register_forward_pre_hook(before), module.register_forward_hook(after)]
            model(_zeros(model, (1, *shape) if single else shape))
        finally:
            for handle in handles:
                handle.remove()
    for module in layers:
        new = [p for _, p in module.named_parameters(recurse=False) if id(p) not in counted]
        counted.update(id(p) for p in new)
        if new:
            rows.append(Row(names[id(module)] or "(model)", module._get_name(), None, None,
                            sum(p.numel() for p in new), formula(module, new), 0, 0))
    parameters = list(model.parameters())
    trainable = sum(p.numel() for p in parameters if p.requires_grad)
    frozen = sum(p.numel() for p in parameters) - trainable
    return Summary(type(model).__name__, shape, tuple(rows), trainable, frozen,
                   sum(p.numel() * _itemsize(p) for p in parameters))


def used_by(module: nn.Module) -> list[Tensor]:
    """The parameters that a layer itself computes with, whether they are its own or a module's above it."""
    direct: list[Tensor] = [p for _, p in module.named_parameters(recurse=False)]
    return [*direct, *module.borrowed_parameters()] if isinstance(module, BorrowsParameters) else direct


def _zeros(model: nn.Module, shape: Shape) -> Tensor:
    """An input with the backend, device and dtype of the model's parameters."""
    like = next((p.array for p in model.parameters()), None)
    if like is None:
        return Tensor(backends.current().asarray(0.0, "float32")).expand(shape)
    xp = backends.namespace_of(like)
    return Tensor(xp.zeros(shape, dtype=like.dtype, device=device_of(like)))


def _shrinkage(input_shape: Shape, output_shape: Shape) -> float | None:
    """The share of pixels that a layer takes away, if it keeps the channels and has fewer pixels of each."""
    if len(input_shape) < 3 or input_shape[:2] != output_shape[:2] or len(input_shape) != len(output_shape):
        return None
    before, after = math.prod(input_shape[2:]), math.prod(output_shape[2:])
    return 1 - after / before if after < before else None


def _itemsize(tensor: Tensor) -> int:
    bits = re.search(r"\d+$", backends.dtype_name(tensor.dtype))
    return int(bits.group()) // 8 if bits else 1
