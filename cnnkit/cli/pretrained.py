"""``cnnkit train --pretrained``: a network that others have trained, and pictures as it wants them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnkit.cli.architectures import built

if TYPE_CHECKING:
    from cnnkit.models.weights import Weights
    from cnnkit.nn import Module

__all__ = ["Pretrained", "pretrained"]


@dataclass(frozen=True)
class Pretrained:
    """Weights to begin with.

    Attributes
    ----------
    model : str
        The architecture, by its name in `cnnkit.models`.
    weights : Weights or Path
        The entry, or a file.
    freeze : str, int or None
        What learns no more: see `cnnkit.transfer_learning.freeze`.
    """

    model: str
    weights: Weights | Path
    freeze: str | int | None

    def reading(self, data: str, size: int | None) -> dict[str, Any]:
        """The arguments of `data.load` that let it give pictures as the weights want them."""
        from cnnkit.data import SOURCES
        from cnnkit.models.weights import Weights

        if not isinstance(self.weights, Weights):
            return {"size": size}
        wanted = self.weights.input_format()
        files = data not in SOURCES and (Path(data).is_dir() or Path(data).suffix.lower() == ".csv")
        reading: dict[str, Any] = {"transform": wanted.transform(), "size": size}
        return {**reading, "mode": "RGB", "size": size or wanted.shape[1]} if files else reading

    def network(self, input_shape: tuple[int, ...], classes: int, given: dict[str, Any]) -> Module:
        """The network with a new head for these classes, the rest frozen as was asked for."""
        from cnnkit.transfer_learning.transfer import load_all_but_head, transfer

        if input_shape[0] != 3:
            raise ValueError(f"--pretrained: {self.model} wants pictures of 3 channels (RGB), and these have "
                             f"{input_shape[0]}")
        network = built(self.model, input_shape, classes, given)
        load_all_but_head(network, self.weights)
        return transfer(network, classes, self.freeze)


def pretrained(name: str | None, model: str, given_model: bool, freeze: str | None) -> Pretrained | None:
    """What ``--pretrained``, ``--model`` and ``--freeze`` ask for; ``None`` without the first.

    Parameters
    ----------
    name : str, optional
        An entry of `cnnkit.models.weights`; or, with a model, a file.
    model : str
    given_model : bool
        Whether the model was given, and is not the default.
    freeze : str, optional
        A number, a pattern, ``"backbone"`` or ``"nothing"``.

    Raises
    ------
    ValueError
        If they do not go together.
    """
    from cnnkit.models import weights

    if name is None:
        if freeze is not None:
            raise ValueError("--freeze leaves parts of a trained network as they are: give --pretrained too")
        return None
    part = "backbone" if freeze is None else None if freeze == "nothing" else (
        int(freeze) if freeze.isdigit() else freeze)
    try:
        found = weights.find(name)
    except ValueError as error:
        raise ValueError(f"--pretrained: {error}") from None
    if isinstance(found, weights.Weights):
        if given_model and model != found.architecture:
            raise ValueError(f"--pretrained {name} is of {found.architecture}, and --model says {model}; "
                             "leave --model out")
        found.path()  # which says where the file belongs, before the data are read
        return Pretrained(found.architecture, found, part)
    if not given_model:
        raise ValueError(f"--pretrained {name} is a file: --model must say of which network, such as "
                         "--model resnet18")
    if not found.is_file():
        raise FileNotFoundError(f"--pretrained: there is no file {found}")
    return Pretrained(model, found, part)
