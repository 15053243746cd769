"""What a model is made of, measured on the model itself: output shapes, parameters, FLOPs and memory,
layer by layer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from cnnkit import backends, nn
from cnnkit.autograd import Tensor
from cnnkit.foreign import device_of
from cnnkit.inspection.costs import flops, formula
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
        own = [p for _, p in module.named_parameters(recurse=False)]
        new = [p for p in own if id(p) not in counted]
        counted.update(id(p) for p in new)
        made = [t for t in (output if isinstance(output, tuple) else (output,)) if isinstance(t, Tensor)]
        given = next((t.shape for t in inputs if isinstance(t, Tensor)), None)
        out = made[0].shape if made else None
        view = isinstance(module, nn.Flatten | nn.Identity)
        rows[started.pop()] = Row(
            names[id(module)] or "(model)", type(module).__name__, out[1:] if single and out else out,
            None if own or given is None or out is None else _shrinkage(given, out),
            sum(p.numel() for p in new),
            formula(module, new), None if given is None or out is None else flops(module, given, out),
            0 if view else sum(t.numel() * _itemsize(t) for t in made))

    layers = [m for m in model.modules()
              if not any(True for _ in m.children()) or any(True for _ in m._own("parameters"))]
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
            rows.append(Row(names[id(module)] or "(model)", type(module).__name__, None, None,
                            sum(p.numel() for p in new), formula(module, new), 0, 0))
    parameters = list(model.parameters())
    trainable = sum(p.numel() for p in parameters if p.requires_grad)
    return Summary(type(model).__name__, shape, tuple(rows), trainable, sum(p.numel() for p in parameters)
                   - trainable, sum(p.numel() * _itemsize(p) for p in parameters))


def _zeros(model: nn.Module, shape: Shape) -> Tensor:
    """An input of the parameters' kind: their backend, device and floating-point dtype."""
    like = next((p.array for p in model.parameters()), None)
    if like is None:
        return Tensor(backends.current().asarray(0.0, "float32")).expand(shape)
    xp = backends.namespace_of(like)
    return Tensor(xp.zeros(shape, dtype=like.dtype, device=device_of(like)))


def _shrinkage(given: Shape, made: Shape) -> float | None:
    """Of a layer that keeps the channels and makes fewer pixels of each."""
    if len(given) < 3 or given[:2] != made[:2] or len(given) != len(made):
        return None
    before, after = math.prod(given[2:]), math.prod(made[2:])
    return 1 - after / before if after < before else None


def _itemsize(tensor: Tensor) -> int:
    bits = re.search(r"\d+$", backends.dtype_name(tensor.dtype))
    return int(bits.group()) // 8 if bits else 1
