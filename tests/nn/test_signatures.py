"""Names, settings, defaults and reprs of every layer are PyTorch's."""

import importlib
import inspect
import pkgutil

import pytest
from against_torch import parameters
from layer_settings import settings_of

from cnnkit import nn

CLASSES = [name for name in nn.__all__ if inspect.isclass(getattr(nn, name))]
NOT_IN_PYTORCH = {
    "FunctionModule": "PyTorch writes each layer out",
    "LoadResult": "PyTorch keeps it private",
    "StochasticDepth": "torchvision has it",
}
LEFT_OUT = {"size_average": "deprecated: reduction says it", "reduce": "deprecated: reduction says it",
            "device": "only layers with parameters have places", "args": "takes none", "kwargs": "takes none",
            "persistent": "register_buffer says it",
            "min_value": "deprecated: min_val", "max_value": "deprecated: max_val"}
ONLY_HERE = {"backend": "where the parameters are made"}
OTHER_DEFAULT = {"Parameter.data": "PyTorch makes an empty one"}
OTHER_SETTINGS = {"Sequential": "layers are not passed by name",
                  "Buffer": "PyTorch makes an empty one", "NLLLoss2d": "PyTorch's takes any"}
NO_LAYER = {"Module": "abstract", "Parameter": "a Tensor", "Buffer": "a Tensor", "NLLLoss2d": "warns",
            "DataParallel": "PyTorch's takes its own modules only", "UninitializedBuffer": "a Tensor",
            "UninitializedParameter": "a Tensor"}


@pytest.mark.needs("torch")
@pytest.mark.parametrize("name", [n for n in CLASSES if n not in {**NOT_IN_PYTORCH, **OTHER_SETTINGS}])
def test_settings_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    ours, theirs = inspect.signature(getattr(nn, name)).parameters, parameters(getattr(torch.nn, name))
    assert [p for p in ours if p not in ONLY_HERE] == [p for p in theirs if p in ours or p not in LEFT_OUT]
    for p in ours.keys() - {*ONLY_HERE, "dtype"}:  # PyTorch's dtype None is its default, float32 here
        assert (ours[p].default == theirs[p].default) != (f"{name}.{p}" in OTHER_DEFAULT), p


LAYERS = [(name, settings) for name in CLASSES if name not in {**NOT_IN_PYTORCH, **NO_LAYER}
          for settings in settings_of(name)]


@pytest.mark.needs("torch")
@pytest.mark.parametrize(("name", "settings"), LAYERS)
def test_looks_like_pytorchs(name, settings):
    torch = pytest.importorskip("torch")
    assert repr(getattr(nn, name)(**settings)) == repr(getattr(torch.nn, name)(**settings))


def test_every_exception_names_a_class_that_pytorch_has_or_has_not():
    torch = pytest.importorskip("torch")
    others = {name.partition(".")[0] for name in OTHER_DEFAULT}
    assert {*NOT_IN_PYTORCH, *OTHER_SETTINGS, *NO_LAYER, *others} <= set(CLASSES)
    assert [name for name in CLASSES if not hasattr(torch.nn, name)] == list(NOT_IN_PYTORCH)


def test_the_namespace_is_complete_and_sorted():
    names = {module.name for module in pkgutil.iter_modules(nn.__path__) if not module.ispkg}
    names -= {"functional", "init"}
    modules = [importlib.import_module(f"{nn.__name__}.{name}") for name in names]
    names = [name for module in modules for name in module.__all__]
    assert nn.__all__ == sorted(["functional", "init", *names])
