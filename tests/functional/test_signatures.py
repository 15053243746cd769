"""Names, argument names and defaults are PyTorch's."""

import inspect

import pytest

import cnnkit.functional as F

MISSING = {"softmax": {"_stacklevel", "dtype"}, "log_softmax": {"_stacklevel", "dtype"}, "silu": set(), "pad": set(),
           "cross_entropy": {"size_average", "reduce"}, "nll_loss": {"size_average", "reduce"},
           "mse_loss": {"size_average", "reduce", "weight"}}
REQUIRED = {"softmax": {"dim"}, "log_softmax": {"dim"}}  # PyTorch guesses, and warns that it does


@pytest.mark.parametrize("name", ["batch_norm", "cross_entropy", "dropout", "elu", "leaky_relu", "log_softmax", "mse_loss",
                                  "nll_loss", "relu", "sigmoid", "silu", "softmax", "tanh"])
def test_signature_is_pytorchs(name):
    torch = pytest.importorskip("torch")
    theirs = inspect.signature(getattr(torch.nn.functional, name)).parameters
    ours = inspect.signature(getattr(F, name)).parameters
    assert list(ours) == [p for p in theirs if p not in MISSING.get(name, ())]
    for p in ours.keys() - REQUIRED.get(name, set()):
        assert ours[p].default == theirs[p].default, p
