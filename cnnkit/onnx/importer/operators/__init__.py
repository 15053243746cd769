"""ONNX's operators, in families: importing this package declares them all."""

from cnnkit.onnx.importer.declaration import OPERATORS
from cnnkit.onnx.importer.operators import (
    activation,
    arithmetic,
    comparison,
    conv,
    dropout,
    extremes,
    gathering,
    linear,
    loss,
    making,
    norm,
    pad,
    pool,
    pool_average,
    reduction,
    resize,
    sampling,
    scattering,
    shape,
    slicing,
)

__all__ = ["OPERATORS", "activation", "arithmetic", "comparison", "conv", "dropout", "extremes", "gathering",
           "linear", "loss", "making", "norm", "pad", "pool", "pool_average", "reduction", "resize",
           "sampling", "scattering", "shape", "slicing"]
