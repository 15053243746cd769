"""Weights go into a model strictly, or as far as they fit, and the report says what did not."""

import numpy as np
import pytest

import cnnkit
from cnnkit import nn, safetensors


def net():
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


def test_a_state_a_file_and_an_open_file_load_alike(tmp_path):
    source = net()
    path = safetensors.save_file(source.state_dict(), tmp_path / "net.safetensors")
    with safetensors.open_file(path) as file:
        for weights in (source.state_dict(), path, str(path), file):
            model = net()
            report = safetensors.load_into(model, weights)
            assert report.complete
            assert sorted(report.loaded) == sorted(source.state_dict())
            np.testing.assert_array_equal(model[3].weight.numpy(), source[3].weight.numpy())


def test_strict_loading_refuses_everything_at_once_and_changes_nothing():
    model, state = net(), net().state_dict()
    before = model[0].weight.numpy().copy()
    state["head.weight"] = state.pop("0.bias")
    state["3.weight"] = cnnkit.zeros(4, 8)
    with pytest.raises(RuntimeError, match=r"do not fit Sequential: 0 loaded; 1 missing: 0\.bias; 1 "
                                           r"unexpected: head\.weight; 1 of another shape: 3\.weight is "
                                           r"\(4, 8\), in the model \(3, 8\)"):
        safetensors.load_into(model, state)
    np.testing.assert_array_equal(model[0].weight.numpy(), before)


def test_partial_loading_leaves_the_rest_as_it_was():
    model, state = net(), net().state_dict()
    state["3.weight"], head = cnnkit.zeros(4, 8), model[3].weight.numpy().copy()
    del state["1.weight"]
    report = safetensors.load_into(model, {**state, "other": cnnkit.zeros(1)}, strict=False)
    assert (report.missing, report.unexpected) == (["1.weight"], ["other"])
    assert report.mismatched == {"3.weight": ((4, 8), (3, 8))}
    np.testing.assert_array_equal(model[3].weight.numpy(), head)
    np.testing.assert_array_equal(model[0].weight.numpy(), state["0.weight"].numpy())


def test_old_files_without_counts_of_batches_are_whole():
    state = net().state_dict()
    del state["1.num_batches_tracked"]
    assert safetensors.load_into(net(), state).complete


def test_names_are_mapped_and_the_first_filters_reversed():
    source, model = net(), net()
    state = {f"module.{name}": value for name, value in source.state_dict().items()}
    safetensors.load_into(model, state, keys=[(r"^module\.", "")], reverse="0.weight")
    x = cnnkit.tensor(np.random.default_rng(0).random((1, 3, 2, 2), np.float32))
    np.testing.assert_allclose(model.eval()(x.flip(1)).numpy(), source.eval()(x).numpy(), rtol=1e-6)
    with pytest.raises(ValueError, match=r"no '9\.weight'"):
        safetensors.load_into(model, state, keys=[(r"^module\.", "")], reverse="9.weight")
