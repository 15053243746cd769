"""Key maps of three kinds, and filters for the other order of channels."""

import pytest

import cnnkit
from cnnkit.safetensors import rename, reverse_channels

NAMES = {"module.conv.weight": 1, "module.fc.bias": 2}


@pytest.mark.parametrize(("keys", "names"), [
    (None, ["module.conv.weight", "module.fc.bias"]),
    ({"module.fc.bias": "bias"}, ["module.conv.weight", "bias"]),
    ({"module.fc.bias": None}, ["module.conv.weight"]),
    (lambda name: name.removeprefix("module."), ["conv.weight", "fc.bias"]),
    (lambda name: None if "fc" in name else name, ["module.conv.weight"]),
    ([(r"^module\.", ""), (r"^(\w+)\.", r"\1_1.")], ["conv_1.weight", "fc_1.bias"])])
def test_names_change_as_the_map_says(keys, names):
    assert list(rename(NAMES, keys)) == names


def test_two_tensors_of_one_name_are_refused():
    with pytest.raises(ValueError, match=r"'module\.conv\.weight' and 'module\.fc\.bias' one name, 'x'"):
        rename(NAMES, lambda name: "x")


def test_only_the_named_filters_are_reversed():
    filters = cnnkit.arange(12).reshape(2, 3, 2, 1)
    new = reverse_channels({"a": filters, "b": filters}, "a")
    assert new["b"] is filters
    assert new["a"].tolist() == filters.numpy()[:, ::-1].tolist()


@pytest.mark.parametrize(("name", "match"), [("z", "no 'z' .* there are a"), ("a", r"shape \(2, 1, 3, 3\)")])
def test_filters_that_are_not_there_or_not_of_colours_are_named(name, match):
    with pytest.raises(ValueError, match=match):
        reverse_channels({"a": cnnkit.zeros(2, 1, 3, 3)}, name)
