"""Names, argument names and defaults of every function are PyTorch's."""

import importlib
import inspect
import pkgutil

import pytest
from against_torch import parameters

import cnnkit.functional as F

NOT_IN_PYTORCH = {
    "dice_loss": "segmentation libraries have it",
    "l2_penalty": "PyTorch's optimizers decay weights, and its losses do not",
    "sigmoid_focal_loss": "torchvision has it",
    "stochastic_depth": "torchvision has it",
}
LEFT_OUT = {"size_average": "deprecated: reduction says it", "reduce": "deprecated: reduction says it",
            "_stacklevel": "for a warning that is not given here", "out": "results are new arrays",
            "sparse_grad": "gradients are whole arrays",
            "dtype": "x.to(dtype) says it",
            "weight": "losses of numbers leave it out: multiply what reduction='none' gives"}
OTHER_DEFAULT = {"where.input": "a condition alone is taken too",
                 "where.other": "a condition alone is taken too"}


@pytest.mark.needs("torch")
@pytest.mark.parametrize("name", F.__all__)
def test_signature_is_pytorchs(name):
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn.functional, name, getattr(torch, name, None))
    if name in NOT_IN_PYTORCH:
        assert theirs is None, f"PyTorch has {name} now: take it off the list"
        return
    ours, theirs = inspect.signature(getattr(F, name)).parameters, parameters(theirs)
    assert list(ours) == [argument for argument in theirs if argument in ours or argument not in LEFT_OUT]
    for argument in ours:
        equal = ours[argument].default == theirs[argument].default
        assert equal != (f"{name}.{argument}" in OTHER_DEFAULT), argument


def test_every_exception_names_a_function():
    assert {*NOT_IN_PYTORCH, *(exception.partition(".")[0] for exception in OTHER_DEFAULT)} <= set(F.__all__)


def test_the_namespace_is_complete_and_sorted():
    names = [module.name for module in pkgutil.iter_modules(F.__path__)]
    modules = [importlib.import_module(f"{F.__name__}.{name}") for name in names]
    assert F.__all__ == sorted(name for module in modules for name in module.__all__)
    assert all(inspect.isfunction(getattr(F, name)) for name in F.__all__)
