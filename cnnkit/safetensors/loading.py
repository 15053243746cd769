"""Weights into a model: strictly, or as many as fit, with a report of what did not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from cnnkit.autograd import Tensor
from cnnkit.nn import Module
from cnnkit.safetensors.file import load_file
from cnnkit.safetensors.renaming import KeyMap, no_filters, rename, reverse_channels

__all__ = ["LoadReport", "load_into"]

FEW = 8  # names that a message lists


@dataclass(frozen=True)
class LoadReport:
    """What became of the Tensors that were to be loaded.

    Attributes
    ----------
    loaded : list of str
        Names in the model that got a value.
    missing : list of str
        Names in the model that got none.
    unexpected : list of str
        Tensors that the model has no place for.
    mismatched : dict of str to (tuple, tuple)
        Names whose shapes differ: that of the Tensor, and that in the model, which stays as it was.
    """

    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mismatched: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether everything found its place."""
        return not (self.missing or self.unexpected or self.mismatched)

    def __str__(self) -> str:
        shapes = [f"{name} is {theirs}, in the model {ours}"
                  for name, (theirs, ours) in self.mismatched.items()]
        parts = [f"{len(self.loaded)} loaded", *(
            f"{len(names)} {what}: {', '.join(names[:FEW])}{', ...' if len(names) > FEW else ''}"
            for names, what in ((self.missing, "missing"), (self.unexpected, "unexpected"),
                                (shapes, "of another shape")) if names)]
        return "; ".join(parts)


def load_into(model: Module, weights: Mapping[str, Tensor] | str | os.PathLike[str], *, strict: bool = True,
              keys: KeyMap | None = None, reverse: str | None = None) -> LoadReport:
    """Copy weights into a model's parameters and buffers of the same names.

    Parameters
    ----------
    model : Module
    weights : mapping of str to Tensor, or path
        A state dict, such as `cnnkit.load` reads; a safetensors file; or an open `LazyFile`, of which one
        Tensor at a time is read.
    strict : bool
        Raise if anything does not match, and change nothing; else load what fits, by name and shape.
    keys : mapping, function, or sequence of pairs, optional
        How the names in the file become those in the model: see `rename`.
    reverse : str, optional
        The model's name of the first convolution's filters, for images of the other order of channels (BGR
        and RGB): see `reverse_channels`.

    Returns
    -------
    LoadReport
        ``num_batches_tracked``, which files of weights alone lack, is not called missing.

    Raises
    ------
    RuntimeError
        With `strict`, if a name is missing or unexpected, or a shape differs; the message is the report.
    ValueError
        As `rename` and `reverse_channels`.

    >>> import cnnkit
    >>> from cnnkit import nn
    >>> report = load_into(nn.Linear(2, 3), {"fc.weight": cnnkit.zeros(3, 2), "fc.bias": cnnkit.zeros(4)},
    ...                    keys=[(r"^fc\\.", "")], strict=False)
    >>> print(report)
    1 loaded; 1 of another shape: bias is (4,), in the model (3,)
    """
    tensors = load_file(weights) if isinstance(weights, str | os.PathLike) else weights
    values: Mapping[str, str] = rename({name: name for name in tensors}, keys)  # new name -> name in the file
    current = {name: tuple(value.shape) for name, value in model.state_dict(keep_vars=True).items()}
    if reverse is not None and reverse not in values:
        raise no_filters(reverse, list(values))
    report = LoadReport(missing=[name for name in current if name not in values
                                 and not name.endswith("num_batches_tracked")],
                        unexpected=[name for name in values if name not in current])
    fitting: dict[str, Tensor] = {}
    for name, shape in current.items():
        if name not in values:
            continue
        value = tensors[values[name]]
        if name == reverse:
            value = reverse_channels({name: value}, name)[name]
        if tuple(value.shape) == shape or (shape, tuple(value.shape)) == ((), (1,)):
            fitting[name] = value
        else:
            report.mismatched[name] = tuple(value.shape), shape
    if strict and not report.complete:
        raise RuntimeError(f"the weights do not fit {type(model).__name__}: {report}. With strict=False "
                           "those that fit are loaded, and keys= gives them other names")
    model.load_state_dict(fitting, strict=False)
    report.loaded.extend(fitting)
    return report
