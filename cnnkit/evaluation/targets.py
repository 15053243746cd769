"""Targets of the loss's own kind: class labels, masks, probabilities or numbers, settled before training."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple, cast

from cnnkit import functional as F
from cnnkit import nn
from cnnkit.autograd import Tensor, no_grad
from cnnkit.backends import backend_of, dtype_name
from cnnkit.data.checks import check_labels
from cnnkit.evaluation.contracts import AnyLoss, HeldOutLoss, Loss
from cnnkit.evaluation.weighting import IGNORED, cross_entropy
from cnnkit.ops.dtypes import is_floating

__all__ = ["TargetKind", "check_kind", "fitted", "kind_of", "settle"]


class TargetKind(NamedTuple):
    """What a loss takes for targets."""

    name: str  # of the loss, for errors
    classes: bool  # class indices; else numbers in the shape of the output
    probabilities: bool = False  # and, floating-point, the probability of each class
    ignore_index: int = IGNORED


def kind_of(loss: AnyLoss | None) -> TargetKind | None:
    """What a loss takes, where it is one of cnnkit's; ``None`` for a loss that somebody wrote.

    >>> kind_of(nn.NLLLoss(ignore_index=-1)), kind_of(lambda output, target: output.mean())
    (TargetKind(name='nll_loss', classes=True, probabilities=False, ignore_index=-1), None)
    """
    settings: dict[str, Any] = {}
    while isinstance(loss, functools.partial):
        settings, loss = {**loss.keywords, **settings}, loss.func
    if isinstance(loss, HeldOutLoss):
        loss = loss.held_out_loss()
    ignored = settings.get("ignore_index", IGNORED)
    if isinstance(loss, nn.CrossEntropyLoss | nn.NLLLoss):
        ignored = loss.ignore_index
    if loss in (None, cross_entropy, F.cross_entropy) or isinstance(loss, nn.CrossEntropyLoss):
        return TargetKind("cross_entropy", True, True, ignored)
    if loss is F.nll_loss or isinstance(loss, nn.NLLLoss):
        return TargetKind("nll_loss", True, False, ignored)
    if loss is F.mse_loss or isinstance(loss, nn.MSELoss):
        return TargetKind("mse_loss", False)
    return None


def check_kind(kind: TargetKind | None, targets: Any) -> None:
    """Refuse numbers (N,) for a loss of class labels.

    Parameters
    ----------
    kind : TargetKind or None
    targets : array or Tensor
        Of a batch or of a whole dataset.

    Raises
    ------
    TypeError
        If the loss takes class labels, and the targets are floating-point numbers, one for each sample.
    """
    if kind is None or not kind.classes or len(targets.shape) > 1 or not is_floating(targets.dtype):
        return
    raise TypeError(f"the loss, {kind.name}, takes class labels, integers from 0, and the targets are "
                    f"{dtype_name(targets.dtype)} of shape {tuple(targets.shape)}: to predict numbers, give "
                    "loss=functional.mse_loss; labels that are stored as floats become integers with "
                    ".astype('int64')")


def settle(kind: TargetKind | None, output: Any, targets: Any, loss: AnyLoss | None = None) -> None:
    """Compare the targets of a batch, or of a whole dataset (N, ...) on the host, with the model's output.

    Raises
    ------
    ValueError
        If a label is not below the number of scores; if targets of `functional.mse_loss` have another shape
        than the output; or if `loss`, which somebody wrote, makes (N, N) of an output (N, 1) and targets
        (N,), as most formulas do.
    """
    if not isinstance(output, Tensor) or output.ndim == 0:
        return
    one, target = tuple(output.shape[1:]), tuple(targets.shape[1:])
    if kind is None:
        alone = one == (1,) and not target and output.shape[0] > 1 and is_floating(targets.dtype)
        if alone and loss is not None and isinstance(targets, Tensor) and _crosses(loss, output, targets):
            raise ValueError("the model gives (N, 1), and the targets are (N,): the loss broadcasts them to "
                             "(N, N), and compares each output with every target; give targets of shape "
                             "(N, 1), as in y[:, None]")
    elif not kind.classes:
        if one != target:
            fix = "y[:, None]" if (one, target) == ((1,), ()) else f"y.reshape{_batch_of(-1, one)}"
            raise ValueError(f"the model gives {_batch_of('N', one)}, and the targets are "
                             f"{_batch_of('N', target)}: {kind.name} needs the same shape; make the targets "
                             f"fit, as in {fix}, or the model's last layer")
        _check_finite(kind, targets)
    elif output.ndim > 1 and is_floating(targets.dtype) and target == one:
        _check_finite(kind, targets)
    elif output.ndim > 1 and target == (1, *one[1:]) and one[0] > 1:
        raise ValueError(f"the loss, {kind.name}, takes class labels {_batch_of('N', one[1:])}, and the "
                         f"targets are {_batch_of('N', target)}: leave out their second axis, as in y[:, 0]")
    elif output.ndim > 1 and not is_floating(targets.dtype) and target == one[1:]:
        labels = _host(targets)
        check_labels(labels, range(labels.shape[0]), output.shape[1], kind.ignore_index)


def _crosses(loss: AnyLoss, output: Tensor, targets: Tensor) -> bool:
    """Whether the loss of two samples is neither the mean nor the sum of the losses of each."""
    with no_grad():
        values = [cast(Loss, loss)(output[a:b], targets[a:b]) for a, b in ((0, 2), (0, 1), (1, 2))]
    if not all(isinstance(value, Tensor) and value.numel() == 1 for value in values):
        return False
    both, first, second = (value.item() for value in values)
    expected = (first + second) / 2, first + second
    close = any(math.isclose(both, value, rel_tol=1e-3, abs_tol=1e-6) for value in expected)
    return math.isfinite(both + first + second) and not close


def _host(targets: Any) -> Any:
    array = targets.array if isinstance(targets, Tensor) else targets
    return backend_of(array).to_numpy(array)


def _check_finite(kind: TargetKind, targets: Any) -> None:
    values = _host(targets).reshape(targets.shape[0], -1)
    wrong = ~(abs(values) < math.inf).all(axis=1)  # NaN is not below it either
    if wrong.any():
        raise ValueError(f"the targets of sample {int(wrong.argmax())} hold NaN or infinity, of which "
                         f"{kind.name} makes NaN; leave such samples out, or give a loss that skips them")


def _batch_of(count: Any, shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, (count, *shape)))}{'' if shape else ','})"


def fitted(kind: TargetKind | None, output: Any, target: Tensor) -> Tensor:
    """The targets of a batch in the dtype that the loss takes: one-hot integers and numbers as floats.

    >>> import cnnkit
    >>> scores, labels = cnnkit.tensor([[0.1, 0.9]]), cnnkit.tensor([[0, 1]])
    >>> fitted(kind_of(F.cross_entropy), scores, labels).tolist()
    [[0.0, 1.0]]
    """
    if kind is None or not isinstance(output, Tensor) or not isinstance(target, Tensor):
        return target
    if is_floating(target.dtype):
        return target
    if not kind.classes:
        return target.to(dtype=dtype_name(output.dtype))
    if kind.probabilities and output.ndim > 1 and tuple(target.shape) == tuple(output.shape):
        return _one_hot(target).to(dtype=dtype_name(output.dtype))
    return target.to(dtype="int64") if dtype_name(target.dtype) == "bool" else target


def _one_hot(target: Tensor) -> Tensor:
    counts = _host(target).sum(axis=1)
    if not (counts == 1).all():
        sample = int((counts != 1).reshape(len(counts), -1).any(axis=1).argmax())
        raise ValueError(f"integer targets of shape {tuple(target.shape)} are taken for one-hot labels, and "
                         f"those of sample {sample} do not sum to 1: give class labels (N,), or "
                         "probabilities as floats")
    return target
