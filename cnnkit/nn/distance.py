"""Layers that compare two inputs."""

from __future__ import annotations

import math
from typing import Any

import cnnkit.functional as F
from cnnkit.autograd import Tensor
from cnnkit.foreign import plain
from cnnkit.nn import init
from cnnkit.nn.function import FunctionModule
from cnnkit.nn.module import Module
from cnnkit.nn.parameter import Parameter

__all__ = ["Bilinear", "CosineSimilarity", "PairwiseDistance"]


class Bilinear(Module):
    """A number for each pair of features of two inputs; see `functional.bilinear`.

    Parameters
    ----------
    in1_features, in2_features, out_features : int
        Sizes of the last axes of the inputs and the output.
    bias : bool
        Add a trained bias.
    dtype : str
        Of the parameters.
    backend : str, optional
        Where the parameters are made; by default where `cnnkit.use` says.

    Attributes
    ----------
    weight : Parameter, (out_features, in1_features, in2_features)
        Drawn uniformly from -1/sqrt(in1_features) to 1/sqrt(in1_features), as PyTorch's.
    bias : Parameter, (out_features,), or None
        Drawn from the same range.

    >>> import cnnkit
    >>> Bilinear(2, 3, 4)(cnnkit.tensor([[1.0] * 2]), cnnkit.tensor([[1.0] * 3])).shape
    (1, 4)
    """

    bias: Parameter | None
    in1_features: Any
    in2_features: Any
    out_features: Any
    weight: Parameter

    def __init__(self, in1_features: int, in2_features: int, out_features: int, bias: bool = True, *,
                 dtype: Any = "float32", backend: Any = None):
        super().__init__()
        self.in1_features, self.in2_features, self.out_features = map(
            plain, (in1_features, in2_features, out_features))
        if in1_features < 1:
            raise ValueError(f"in1_features must be > 0, but got {in1_features=}")
        self.weight = Parameter(init.empty((out_features, in1_features, in2_features), dtype, backend))
        self.register_parameter("bias",
                                Parameter(init.empty((out_features,), dtype, backend)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters again."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
                f"out_features={self.out_features}, bias={self.bias is not None}")


class CosineSimilarity(FunctionModule, function=F.cosine_similarity, inputs=2, shown=False):
    """The cosine of the angle between vectors of two inputs; see `functional.cosine_similarity`.

    >>> import cnnkit
    >>> CosineSimilarity()(cnnkit.tensor([[0.0, 2.0]]), cnnkit.tensor([[0.0, -4.0]]))
    tensor([-1.])
    """


class PairwiseDistance(FunctionModule, function=F.pairwise_distance, inputs=2, shown=False):
    """The distances of vectors of two inputs; see `functional.pairwise_distance`.

    >>> import cnnkit
    >>> PairwiseDistance(p=1, eps=0)(cnnkit.tensor([[3.0, 4.0]]), cnnkit.tensor([[0.0, 0.0]]))
    tensor([7.])
    """
