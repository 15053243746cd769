"""Settings have the same text if they mean the same, in every process."""

import functools
import subprocess
import sys

import numpy as np
import pytest

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, optim
from cnnkit.data import transforms
from cnnkit.train.describe import LONGEST, checksum, code_of, describe, settings_of


class Focal:
    def __init__(self, size):
        self.size, self._cache = size, object()

    def __call__(self, output, target):
        return F.cross_entropy(output, target) ** self.size

    def other(self, output, target):
        return F.cross_entropy(output, target)


def scaled(factor):
    return lambda output, target: F.cross_entropy(output, target) * factor


@pytest.mark.parametrize(("value", "text"), [
    (1.0, "1"), (np.float32(0.5), "0.5"), (np.int64(3), "3"), (True, "True"), ("a", "'a'"), (None, "None"),
    (float("inf"), "inf"), ((0.9, 0.999), "[0.9, 0.999]"), ({"b": 1, "a": 2}, "{'a': 2, 'b': 1}"),
    ({3, 1}, "{1, 3}"), (nn.ReLU, "ReLU"), (F.mse_loss, "mse_loss"),
    (functools.partial(F.cross_entropy, ignore_index=7), "cross_entropy(ignore_index=7)"),
    (optim.SGD([nn.Linear(1, 1).weight], lr=0.1), "SGD"),
    (nn.Parameter(cnnkit.tensor([1.0])), "a parameter (1,)")])
def test_what_means_the_same_has_the_same_text(value, text):
    assert describe(value) == text


@pytest.mark.parametrize(("a", "b"), [
    (Focal(1), Focal(2)), (scaled(1), scaled(2)), (Focal(1).other, Focal(2).other),
    (Focal(1).other, Focal(1)),
    (nn.CrossEntropyLoss(), nn.CrossEntropyLoss(label_smoothing=0.1)),
    (nn.CrossEntropyLoss(cnnkit.tensor([1.0, 2.0])), nn.CrossEntropyLoss(cnnkit.tensor([1.0, 3.0]))),
    (np.array([1.0]), np.array([1.0], np.float32)), (np.arange(2), np.arange(2)[::-1]),
    (list(range(999)), [*range(998), -1]), (nn.Dropout(0.1), nn.Dropout(0.2)),
    (transforms.RandomRotation(5), transforms.RandomRotation(6))])
def test_other_settings_have_another_text(a, b):
    assert describe(a) != describe(b)
    assert describe(a) == describe(a)
    assert max(len(describe(a)), len(describe(b))) < LONGEST + 99


def test_private_attributes_and_what_a_run_sets_are_left_out():
    assert describe(Focal(1)) == describe(Focal(1)) == f"{__name__}.Focal(size=1)"
    layer = nn.Dropout()
    before = settings_of(layer)
    layer.eval().input_format = "x"
    assert settings_of(layer) == before
    assert settings_of(object()) == {}


def test_an_object_that_holds_itself_ends():
    knot = Focal(1)
    knot.size = knot
    assert "Focal" in describe(knot)


def test_a_checksum_is_that_of_numbers_and_not_of_their_layout():
    x = np.arange(6.0).reshape(2, 3)
    assert checksum([cnnkit.tensor(x)]) == checksum([cnnkit.Tensor(np.asfortranarray(x))])
    assert checksum([cnnkit.tensor(x)]) != checksum([cnnkit.tensor(x.reshape(3, 2))])


def test_code_is_that_of_instructions():
    assert code_of([lambda x: x + 1]) == code_of([lambda x: x + 1])
    assert code_of([lambda x: x + 1]) != code_of([lambda x: x - 1])
    assert code_of([lambda x: x + 1]) != code_of([lambda x: x + 2])
    assert code_of([Focal]) != code_of([object])


def test_another_process_gives_the_same_text():
    code = "{describe({'b', 'a', 'c'})} {code_of([lambda x: x in {'b', 'a', 'c'}])}"
    printed = subprocess.run([sys.executable, "-c", "from cnnkit.train.describe import code_of, describe\n"
                              f"print(f\"{code}\")"], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == f"{describe({'b', 'a', 'c'})} {code_of([lambda x: x in {'b', 'a', 'c'}])}"


def test_what_has_a_dtype_and_no_shape_is_no_array():
    class Reader:
        dtype = "float32"

    reader = Reader()
    assert "Reader" in describe(reader)
    describe(lambda output, target: (reader, output))
