"""Settings with which every layer of `cnnkit.nn` can be made, found from its signature."""

import inspect

from cnnkit import nn
from cnnkit.ops import OPS

NEEDED = {"in_channels": 2, "out_channels": 4, "kernel_size": 3, "num_features": 4, "in_features": 4,
          "out_features": 3, "output_size": 2, "dim": 1, "padding": 1, "value": 0.5,
          "num_groups": 2, "num_channels": 4, "normalized_shape": (2, 3), "size": 3, "norm_type": 2,
          "upscale_factor": 2, "downscale_factor": 2, "groups": 2,
          "unflattened_size": (2, 3), "in1_features": 2, "in2_features": 3}
ONE_OF_SEVERAL = {"FractionalMaxPool2d": {"output_ratio": 0.5}, "FractionalMaxPool3d": {"output_ratio": 0.5}}
ANOTHER = {bool: lambda value: not value, int: lambda value: value + 1, float: lambda value: value + 0.5,
           str: {"mean": "sum"}.get}
CHOICES = {name: values[-1] for op in OPS.values() for name, values in op.choices.items()}


def settings_of(name):
    """Settings of a layer: the required ones; for a layer of one function, also each option changed."""
    parameters = inspect.signature(getattr(nn, name)).parameters.values()
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    needed = {p.name: NEEDED[p.name] for p in positional if p.default is p.empty}
    needed |= ONE_OF_SEVERAL.get(name, {})
    yield needed
    if issubclass(getattr(nn, name), nn.FunctionModule):
        for p in positional:
            change = ANOTHER.get(type(p.default), lambda value: None)
            value = CHOICES.get(p.name, change(p.default))
            if value is not None:
                yield {**needed, p.name: value}
