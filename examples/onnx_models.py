"""Every ready-made network at its full size: to ONNX, through onnxruntime, and back into cnnkit.

    python examples/onnx_models.py [NAME ...] [--width 0.125]

Prints a line of a table for each: nodes, bytes, and by how much onnxruntime, and the network that
`cnnkit.onnx.load` makes of the file, differ from the network itself, as a share of its largest output. Its
weights are fresh, and batch norm has seen two batches. It needs onnxruntime and ``cnnkit[onnx]``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np

import cnnkit
from cnnkit import models, nn, onnx
from cnnkit.models import catalogue

HEAD = "| network | nodes | megabytes | onnxruntime | read back |\n|---|---|---|---|---|"


def flat(value: Any) -> Iterator[np.ndarray]:
    """The arrays in a network's result."""
    if isinstance(value, cnnkit.Tensor):
        yield value.numpy()
    else:
        for part in value.values() if isinstance(value, dict) else value:
            yield from flat(part)


def farthest(got: Any, wanted: list[np.ndarray]) -> float:
    """The largest difference, as a share of each result's largest number."""
    return max(float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30))
               for a, b in zip(got, wanted, strict=True))


def line(name: str, width: float = 1.0) -> str:
    """The line of one network."""
    import onnxruntime

    model = models.build(name, {} if width == 1 else {"width_mult": width})
    shape = next(row.input_shape for row in models.list() if row.name == name)
    images = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    with cnnkit.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.3
        for _ in range(2):
            model.train()(cnnkit.tensor(images))
        wanted = [*flat(model.eval()(cnnkit.tensor(images)))]
        made = onnx.export(model, images[:1])
        content = made.SerializeToString()
        ran = onnxruntime.InferenceSession(content).run(None, {"input": images})
        back = flat(onnx.load(made).eval()(cnnkit.tensor(images)))
        return (f"| {name} | {len(made.graph.node):,} | {len(content) / 1e6:,.1f} | "
                f"{farthest(ran, wanted):.1e} | {farthest(back, wanted):.1e} |")


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="by default every network")
    parser.add_argument("--width", type=float, default=1.0, help="factor of all widths")
    options = parser.parse_args(arguments)
    print(HEAD, flush=True)
    for name in options.names or catalogue.ARCHITECTURES:
        print(line(name, options.width), flush=True)


if __name__ == "__main__":
    main()
