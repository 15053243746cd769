"""AttributeErrors name the nearest thing there is, or our way of PyTorch's; and that advice is true."""

import copy
import re
import sys

import numpy as np
import pytest

import cnnkit
from cnnkit import nn, optim, suggestions

F = cnnkit.functional
TABLES = {"TENSOR": cnnkit.tensor([1.0]), "MODULE": nn.Linear(1, 1), "NAMESPACE": cnnkit, "NN": nn,
          "FUNCTIONAL": F, "LINALG": cnnkit.linalg, "OPTIM": optim}


@pytest.mark.parametrize(("owner", "name", "message"), [
    (cnnkit.tensor([1.0]), "svd", "'Tensor' object has no attribute 'svd'; decompositions are not computed "
                                  "here: numpy.linalg takes x.numpy(), without gradients"),
    (cnnkit.Tensor, "as_strided", "type object 'Tensor' has no attribute 'as_strided'; use unfold(dimension, "
                                  "size, step), narrow(dim, start, length) or an index"),
    (nn.Linear(1, 1), "weigth", "'Linear' object has no attribute 'weigth'; did you mean 'weight'?"),
    (nn.Linear(1, 1), "fit", "'Linear' object has no attribute 'fit'; use cnnkit.train.fit(model, ...)"),
    (nn.Sequential(nn.ReLU()), "lenght", "'Sequential' object has no attribute 'lenght'"),
    (cnnkit, "tensr", "module 'cnnkit' has no attribute 'tensr'; did you mean 'tensor'?"),
    (cnnkit, "Conv2d", "module 'cnnkit' has no attribute 'Conv2d'; use cnnkit.nn.Conv2d"),
    (cnnkit, "Adam", "module 'cnnkit' has no attribute 'Adam'; use cnnkit.optim.Adam"),
    (cnnkit, "DataLoader", "module 'cnnkit' has no attribute 'DataLoader'; use cnnkit.data.DataLoader"),
    (cnnkit, "silu", "module 'cnnkit' has no attribute 'silu'; use cnnkit.functional.silu"),
    (cnnkit, "set_default_device", "module 'cnnkit' has no attribute 'set_default_device'; use cnnkit.use"),
    (nn, "Conv2D", "module 'cnnkit.nn' has no attribute 'Conv2D'; did you mean 'Conv2d'?"),
    (nn, "LSTM", "module 'cnnkit.nn' has no attribute 'LSTM'; "
                 "cnnkit has the layers of convolutional networks"),
    (F, "crossentropy", "module 'cnnkit.functional' has no attribute 'crossentropy'; "
                        "did you mean 'cross_entropy'?"),
    (optim, "SparseAdam", "module 'cnnkit.optim' has no attribute 'SparseAdam'; "
     "there are SGD, AdamW, RMSprop and others: cnnkit.optim.__all__"),
    (optim, "AdamWW", "module 'cnnkit.optim' has no attribute 'AdamWW'; did you mean 'AdamW'?"),
])
def test_an_error_names_what_there_is(owner, name, message):
    with pytest.raises(AttributeError, match=f"^{re.escape(message)}$") as caught:
        getattr(owner, name)
    assert caught.value.name == name


@pytest.mark.parametrize(("owner", "name", "message"), [
    (cnnkit.tensor([1.0]), "shpe", "'Tensor' object has no attribute 'shpe'. Did you mean: 'shape'?"),
    (cnnkit.tensor([1.0]), "requiresGrad", "'Tensor' object has no attribute 'requiresGrad'. "
                                           "Did you mean: 'requires_grad'?"),
    (nn.Parameter(cnnkit.tensor([1.0])), "gradd", "'Parameter' object has no attribute 'gradd'. "
                                                  "Did you mean: 'grad'?"),
    (cnnkit.tensor([1.0]), "svd", "without gradients"),  # nothing after the advice
])
def test_python_prints_the_nearest_name_of_a_tensor(owner, name, message, capsys):
    with pytest.raises(AttributeError) as caught:
        getattr(owner, name)
    sys.__excepthook__(caught.type, caught.value, caught.tb)
    assert capsys.readouterr().err.endswith(f"{message}\n")


def test_names_with_advice_are_not_listed_as_attributes():
    x = cnnkit.tensor([1.0])
    assert "shape" in dir(x)
    assert not suggestions.TENSOR.keys() & set(dir(x))
    assert not suggestions.is_defined(cnnkit.Tensor, "svd")


@pytest.mark.parametrize("table", TABLES)
def test_advice_is_only_for_names_that_are_missing_and_names_what_exists(table):
    for name, advice in vars(suggestions)[table].items():
        assert not hasattr(TABLES[table], name), name
        for path in re.findall(r"cnnkit(?:\.\w+)+", advice):
            found = cnnkit
            for part in path.split(".")[1:]:
                found = getattr(found, part)
        for layer in re.findall(r"nn\.(\w+)", advice):
            assert hasattr(nn, layer), advice
        for method in re.findall(r"(?:use |\.)(\w+)\(", advice if table == "TENSOR" else ""):
            assert any(hasattr(place, method) for place in (TABLES[table], nn.init, cnnkit)), advice


def test_what_a_property_raises_is_not_hidden():
    class Net(nn.Module):
        @property
        def depth(self):
            return self.no_such_layer

    with pytest.raises(AttributeError, match="'Net' object has no attribute 'no_such_layer'"):
        Net().depth  # noqa: B018


def test_names_that_python_and_libraries_ask_for_cost_no_search(monkeypatch):
    monkeypatch.setattr(suggestions.difflib, "get_close_matches", None)
    x, layer = cnnkit.tensor([1.0]), nn.Linear(1, 1)
    assert not hasattr(x, "__array_interface__")
    assert not hasattr(layer, "_ipython_display_")
    assert np.asarray(x).tolist() == [1]
    copy.deepcopy(layer), copy.copy(x)


def test_what_exists_is_found_without_asking_for_what_is_missing(monkeypatch):
    monkeypatch.setattr(suggestions, "missing", None)
    x = cnnkit.tensor([1.0], requires_grad=True)
    layer = nn.Linear(1, 1)
    (layer(x[None]) * 2).sum().backward()
    assert x.grad is not None
    assert layer.train().eval().to(dtype="float64").training is False
