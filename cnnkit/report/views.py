"""What a network looks for and sees: filters, feature maps, idle and double channels, receptive fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from cnnkit import nn
from cnnkit.autograd import Tensor
from cnnkit.inspection.graph import GraphNode
from cnnkit.inspection.unchanged import unchanged
from cnnkit.plot.pictures import BLANK, diverging, embedded, grey, sheet, thumbnail

__all__ = ["Channels", "feature_maps", "filters", "outputs_of", "receptive_pictures"]

MOST = 32  # filters or maps of a layer that are shown
LAYERS = 6  # whose maps are shown
SHEET = 352  # pixels of the longer side of a sheet of maps, as wide as it is shown
ALIKE = 0.99  # cosine from which two filters are the same


def convolutions(model: nn.Module) -> dict[str, nn.Conv2d]:
    """The model's convolutions by name."""
    return {name: m for name, m in model.named_modules() if isinstance(m, nn.Conv2d)}


def spread(names: Sequence[str], most: int) -> list[str]:
    """At most so many names, the first and the last among them, evenly spread."""
    if len(names) <= most:
        return list(names)
    return [names[round(n * (len(names) - 1) / (most - 1))] for n in range(most)]


def filters(model: nn.Module, order: str = "RGB") -> list[dict[str, Any]]:
    """The filters of the first convolution, in colour where it takes three channels, and of a few others."""
    rows: list[dict[str, Any]] = []
    for name, layer in convolutions(model).items():
        weight = layer.weight.detach().numpy().astype(np.float64)
        K, C, R, S = weight.shape
        if R * S == 1:
            continue
        peak = float(np.abs(weight).max())
        colour = C == 3 and not rows
        if colour:
            ordered = weight[:, ::-1] if order == "BGR" else weight
            pictures = [np.rint(255 * (0.5 + 0.5 * np.clip(w / (peak or 1.0), -1, 1))).astype(np.uint8)
                        .transpose(1, 2, 0) for w in ordered[:MOST]]
            text = "in colour: grey is 0"
        else:
            pictures = [diverging(w[0], peak) for w in weight[:MOST]]
            text = f"red is positive, blue negative{', first of the channels' if C > 1 else ''}"
        rows.append({"name": name, "text": f"{K} filters of {R} x {S} on {C} channel{'s' * (C != 1)}; {text}",
                     "picture": embedded(sheet(pictures, 16, blank=255 if colour else BLANK)),
                     "width": _wide(min(K, MOST, 16), S)})
        if len(rows) == 3:
            break
    return rows


def outputs_of(model: nn.Module, images: Tensor, names: Sequence[str]) -> dict[str, np.ndarray]:
    """What some layers make of images, in one run that changes nothing."""
    found: dict[str, np.ndarray] = {}
    modules = dict(model.named_modules())

    def keep(name: str) -> Callable[[nn.Module, tuple, Any], None]:
        def hook(module: nn.Module, inputs: tuple, output: Any) -> None:
            found.setdefault(name, output.numpy())
        return hook

    handles = [modules[name].register_forward_hook(keep(name)) for name in names]
    try:
        with unchanged(model):
            model(images)
    finally:
        for handle in handles:
            handle.remove()
    return found


def feature_maps(model: nn.Module, images: Tensor, pictures: Iterable[np.ndarray]) -> list[dict[str, Any]]:
    """For each image, its maps in a few layers: bright pixels are strong activations."""
    names = spread(list(convolutions(model)), LAYERS)
    made = outputs_of(model, images, names)
    rows = []
    for n, picture in enumerate(pictures):
        layers = []
        for name in names:
            maps = np.maximum(made[name][n], 0)
            K, P, Q = maps.shape
            top = float(maps.max())
            columns = 4 if Q > 32 else 8
            shown = sheet([grey(map_, 0.0, top) for map_ in maps[:MOST if Q <= 32 else MOST // 2]], columns)
            layers.append({"name": name, "text": f"{K} maps of {P} x {Q}",
                           "picture": embedded(thumbnail(shown, SHEET)),
                           "width": min(columns, K) * (88 if Q > 32 else 40)})
        rows.append({"picture": embedded(thumbnail(picture)), "layers": layers})
    return rows


class Channels:
    """Watches a model's layers over many batches: which channels never change, and which filters are double.

    Parameters
    ----------
    model : Module
    """

    def __init__(self, model: nn.Module):
        self.model = model
        self.low: dict[str, np.ndarray] = {}
        self.high: dict[str, np.ndarray] = {}

    def hooks(self) -> list[Any]:
        """Hooks to be removed after the batches have gone through the model."""
        watched = nn.Conv2d | nn.BatchNorm2d | nn.ReLU
        return [module.register_forward_hook(self._hook(name)) for name, module in self.model.named_modules()
                if isinstance(module, watched)]

    def _hook(self, name: str) -> Callable[[nn.Module, tuple, Any], None]:
        def measure(module: nn.Module, inputs: tuple, output: Any) -> None:
            if not isinstance(output, Tensor) or output.ndim < 2:
                return
            axes = tuple(a for a in range(output.ndim) if a != 1)
            values = output.numpy()
            low, high = values.min(axes), values.max(axes)
            if name in self.low and self.low[name].shape == low.shape:
                low, high = np.minimum(low, self.low[name]), np.maximum(high, self.high[name])
            self.low[name], self.high[name] = low, high
        return measure

    def dead(self) -> list[dict[str, Any]]:
        """For each layer that has such: the channels that are the same for every pixel of every image."""
        rows = []
        for name, low in self.low.items():
            same = np.flatnonzero(low == self.high[name])
            if len(same):
                listed = [*map(str, same[:24]), *(["..."] if len(same) > 24 else [])]
                rows.append({"layer": name, "count": len(same), "of": len(low),
                             "channels": ", ".join(listed)})
        return rows

    def idle_shares(self) -> list[dict[str, Any]]:
        """The share of each ReLU's channels that are 0 throughout, for `train.diagnosis`."""
        relus = {name for name, module in self.model.named_modules() if isinstance(module, nn.ReLU)}
        return [{"layer": name, "kind": "ReLU", "dead": float(np.mean(self.high[name] <= 0))}
                for name in self.low if name in relus]

    def doubles(self) -> list[dict[str, Any]]:
        """Pairs of filters of one layer that point the same way, or the opposite one."""
        rows = []
        for name, layer in convolutions(self.model).items():
            weight = layer.weight.detach().numpy().astype(np.float64).reshape(layer.weight.shape[0], -1)
            if weight.shape[1] < 4:  # so few numbers are alike by chance
                continue
            length = np.linalg.norm(weight, axis=1, keepdims=True)
            unit = weight / np.where(length > 0, length, 1)
            alike = np.triu(np.abs(unit @ unit.T) >= ALIKE, 1)
            pairs = [(int(i), int(j)) for i, j in zip(*np.nonzero(alike))]
            if pairs:
                rows.append({"layer": name, "count": len(pairs),
                             "pairs": ", ".join(f"{i} and {j}" for i, j in pairs[:12])})
        return rows


def receptive_pictures(model: nn.Module, graph: Sequence[GraphNode], image: Tensor,
                       picture: np.ndarray) -> list[dict[str, Any]]:
    """Where the strongest number of a few layers looks: a frame on the image for each.

    Parameters
    ----------
    image : Tensor, (1, C, H, W)
    picture : (H, W, 3)
        The same, as it is shown.
    """
    fields = {node.name: node.field for node in graph}
    names = [name for name in convolutions(model) if fields.get(name) is not None]
    names = spread(names, 4)
    made = outputs_of(model, image, names)
    H, W = picture.shape[:2]
    rows = []
    for name in names:
        maps, field = made[name][0], fields[name]
        assert field is not None
        k, p, q = np.unravel_index(int(maps.argmax()), maps.shape)
        top, left = (field.start[axis] + int(at) * field.jump[axis] for axis, at in enumerate((p, q)))
        y0, x0 = max(top, 0), max(left, 0)
        y1, x1 = min(top + field.size[0], H), min(left + field.size[1], W)
        rows.append({"name": name, "picture": embedded(thumbnail(picture)), "H": H, "W": W, "x": x0, "y": y0,
                     "w": max(x1 - x0, 0), "h": max(y1 - y0, 0), "channel": int(k),
                     "size": f"{field.size[0]} x {field.size[1]}", "jump": field.jump[0]})
    return rows


def _wide(columns: int, pixels: int) -> int:
    """How wide a sheet is shown, in CSS pixels: small pictures larger, so that their pixels are seen."""
    return min(columns * max(pixels * 3, 40), 900)
