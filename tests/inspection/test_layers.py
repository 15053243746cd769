"""The summary: measured on the model, which stays as it was."""

import copy
import io

import numpy as np
import pytest
from rich.console import Console

import cnnkit
import cnnkit.functional as F
from cnnkit import models, nn


def row(table, name):
    found, = [r for r in table.rows if r.name == name]
    return found


def test_rows_have_shapes_with_the_batch_only_where_it_was_asked_for():
    model = models.CommonCNN((3, 32, 32))
    one, four = cnnkit.summary(model, (3, 32, 32)), cnnkit.summary(model, (4, 3, 32, 32))
    assert row(one, "features.pool1").output_shape == (8, 16, 16)
    assert row(four, "features.pool1").output_shape == (4, 8, 16, 16)
    assert four.parameters == one.parameters
    assert (four.flops, four.activation_memory) == (4 * one.flops, 4 * one.activation_memory)


@pytest.mark.parametrize(("size", "window", "percent"), [(28, 2, "-75 %"), (7, 2, "-82 %"), (27, 3, "-89 %")])
def test_pooling_says_how_much_it_takes_away(size, window, percent):
    model = nn.Sequential(nn.MaxPool2d(window))
    assert percent in str(cnnkit.summary(model, (3, size, size)))


def test_only_layers_that_keep_their_channels_and_have_no_weights_shrink():
    table = cnnkit.summary(models.CNN((8, 16, 16), conv=[(8, 3, 2)]), (8, 16, 16))
    assert [r.name for r in table.rows if r.shrinkage is not None] == ["features.pool1"]


def test_flops_count_a_multiplication_and_an_addition_as_one_each():
    table = cnnkit.summary(models.CommonCNN((3, 28, 56)), (3, 28, 56))
    assert row(table, "features.conv1").flops == 2 * 3 * 3 * 3 * 8 * 28 * 56
    assert row(table, "features.relu1").flops == 8 * 28 * 56
    assert row(table, "features.pool1").flops == 8 * 28 * 56
    assert row(table, "classifier.flatten").flops == 0
    assert row(table, "classifier.fc1").flops == 2 * 1568 * 128
    assert table.flops == sum(r.flops for r in table.rows)


def test_groups_divide_the_flops_and_show_in_the_formula():
    table = cnnkit.summary(nn.Sequential(nn.Conv2d(8, 8, 3, groups=8)), (8, 10, 10))
    assert table.rows[0].formula == "(3 x 3 x 1) x 8 + 8"
    assert table.rows[0].flops == 2 * 9 * 8 * 64


def test_memory_is_that_of_the_outputs_in_the_models_dtype():
    for dtype, size in (("float32", 4), ("float64", 8)):
        table = cnnkit.summary(models.CommonCNN((1, 8, 8), dtype=dtype), (1, 8, 8))
        assert row(table, "features.conv1").memory == 8 * 8 * 8 * size
        assert table.parameter_memory == table.parameters * size


def test_a_layer_called_twice_has_two_rows_and_its_parameters_count_once():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(6, 6)

        def forward(self, x):
            return self.fc(F.relu(self.fc(x)))
    table = cnnkit.summary(Twice(), (6,))
    assert [(r.name, r.parameters) for r in table.rows] == [("fc", 42), ("fc", 0)]
    assert table.parameters == 42
    assert table.flops == 2 * 72


def test_layers_that_share_a_weight_count_it_once():
    model = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6))
    model[1].weight = model[0].weight
    table = cnnkit.summary(model, (6,))
    assert [r.parameters for r in table.rows] == [42, 6]
    assert table.parameters == 48


def test_parameters_of_a_module_with_modules_inside_are_counted():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(cnnkit.tensor([2.0]))
            self.fc = nn.Linear(3, 2)

        def forward(self, x):
            return self.fc(x) * self.scale
    table = cnnkit.summary(Scaled(), (3,))
    assert [(r.name, r.parameters, r.flops) for r in table.rows] == [("(model)", 1, None), ("fc", 8, 12)]


def test_a_layer_that_is_never_called_is_listed_as_such():
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Linear(3, 2), nn.Linear(5, 5)

        def forward(self, x):
            return self.used(x)
    table = cnnkit.summary(Idle(), (3,))
    assert row(table, "idle").output_shape is None
    assert "not called" in str(table)
    assert table.parameters == 8 + 30 == sum(r.parameters for r in table.rows)


def test_frozen_parameters_are_told_apart():
    model = models.CommonCNN((1, 28, 28))
    model.features.requires_grad_(False)
    table = cnnkit.summary(model, (1, 28, 28))
    assert (table.trainable, table.frozen) == (103018 - 80 - 1168, 80 + 1168)
    assert "Total parameters: 103018 (101770 trainable, 1248 not" in str(table)


class Doubled(nn.Module):
    def forward(self, x):
        return x * 2.0


@pytest.mark.parametrize(("layer", "shape", "flops", "parameters"), [
    (nn.Conv1d(2, 4, 3), (2, 8), 2 * 3 * 2 * 4 * 6, "(3 x 2) x 4 + 4 = 28"),
    (nn.Conv3d(1, 2, (1, 2, 3), bias=False), (1, 3, 3, 3), 2 * 6 * 2 * 3 * 2 * 1, "(1 x 2 x 3 x 1) x 2 = 12"),
    (nn.ConvTranspose2d(4, 2, 3, stride=2, groups=2), (4, 5, 5), 2 * 9 * 4 * 25, "4 x 1 x 3 x 3 + 2 = 38"),
    (nn.MaxPool1d(2), (3, 8), 2 * 3 * 4, "0"), (nn.AvgPool3d(2), (3, 4, 4, 4), 8 * 3 * 8, "0"),
    (nn.GroupNorm(2, 4), (4, 3, 3), 7 * 36, "4 + 4 = 8"),
    (nn.LayerNorm(5, bias=False), (2, 3, 5), 6 * 30, "5"),
    (nn.InstanceNorm2d(4), (4, 3, 3), 5 * 36, "0"), (nn.ReflectionPad2d(1), (1, 4, 4), 0, "0"),
    (nn.PixelShuffle(2), (4, 3, 3), 0, "0"), (nn.Upsample(scale_factor=2), (1, 3, 3), None, "0")])
def test_flops_and_parameters_of_other_layers(layer, shape, flops, parameters):
    table = cnnkit.summary(nn.Sequential(layer), shape)
    assert table.rows[0].flops == flops
    assert parameters in str(table)


def test_flops_of_an_unknown_layer_are_not_guessed():
    table = cnnkit.summary(nn.Sequential(nn.Linear(3, 3), Doubled()), (3,))
    assert [r.flops for r in table.rows] == [18, None]
    assert "at least 18" in str(table)


def test_flops_of_a_layer_that_changes_its_parents_forward_are_not_guessed():
    class Masked(nn.Linear):
        def forward(self, x):
            return F.linear(x, self.weight * self.weight, self.bias)
    assert cnnkit.summary(Masked(3, 3), (3,)).rows[0].flops is None


def test_a_layer_may_say_its_own_flops():
    class Counted(Doubled):
        def count_flops(self, input_shape, output_shape):
            return input_shape[0] * input_shape[1]
    assert cnnkit.summary(nn.Sequential(Counted()), (5,)).flops == 5


@pytest.mark.parametrize("flops", [lambda self: 7, 7, "many"], ids=["method", "number", "text"])
def test_flops_of_a_layer_that_means_something_else_by_the_word_are_not_guessed(flops):
    class Other(Doubled):
        pass
    Other.flops = flops
    assert cnnkit.summary(nn.Sequential(Other()), (5,)).rows[0].flops is None


def test_the_model_is_as_it_was():
    model = models.CNN((1, 8, 8), batch_norm=True, dropout=0.5)
    model.features.norm1.eval()
    before, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    versions = [t._version[0] for t in (*model.parameters(), *model.buffers())]
    state = cnnkit.random.get_state()
    cnnkit.summary(model, (1, 8, 8))
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name].numpy())
    assert [m.training for m in model.modules()] == modes
    assert [t._version[0] for t in (*model.parameters(), *model.buffers())] == versions
    assert not any(m._hooks for m in model.modules())
    assert all(p.grad is None for p in model.parameters())
    assert cnnkit.random.get_state() == state


def test_a_model_that_draws_leaves_the_random_generator_as_it_was():
    class Noisy(Doubled):
        def forward(self, x):
            return x * float(cnnkit.random.next_key()[0])
    state = cnnkit.random.get_state()
    cnnkit.summary(Noisy(), (3,))
    assert cnnkit.random.get_state() == state


def test_hooks_are_gone_after_an_error_too():
    model = models.CommonCNN((1, 8, 8)).train()
    with pytest.raises(ValueError, match=r"got an input of shape \(1, 1, 9, 9\)"):
        cnnkit.summary(model, (1, 9, 9))
    assert all(m.training and not m._hooks for m in model.modules())


def test_batch_norm_has_its_own_formula():
    table = cnnkit.summary(models.CNN((1, 8, 8), batch_norm=True), (1, 8, 8))
    assert row(table, "features.norm1").formula == "8 + 8"
    assert row(table, "features.conv1").formula == "(3 x 3 x 1) x 8"


def printed(table, **settings):
    console = Console(file=io.StringIO(), color_system=None, **settings)
    console.print(table, soft_wrap=not console.is_terminal)
    return console.file.getvalue()


def test_a_terminal_shows_the_same_numbers():
    table = cnnkit.summary(models.CommonCNN((3, 28, 56)), (3, 28, 56))
    text = printed(table, width=200, force_terminal=True)
    for line in [cell for cells in table.cells() for cell in cells] + table.totals():
        assert line in text


def test_in_80_columns_formulas_go_below_their_layers():
    text = printed(cnnkit.summary(models.CommonCNN((3, 28, 56)), (3, 28, 56)), width=80, force_terminal=True)
    for whole in ("features.conv1", "classifier.flatten", "(16, 7, 14) -75 %", "677 k",
                  "\n(3 x 3 x 8) x 16 + 16 ", " 1168 ", "\n(1568 x 128) + 128 ", " 200832 ", "203514"):
        assert whole in text


def test_a_pipe_gets_the_plain_table_however_narrow():
    table = cnnkit.summary(models.CommonCNN((3, 28, 56)), (3, 28, 56))
    assert printed(table, width=40) == f"{table}\n"


def test_every_library_gives_the_same_table(backend):
    table = str(cnnkit.summary(models.CommonCNN((1, 8, 8)), (1, 8, 8)))
    with cnnkit.use("numpy"):
        assert table == str(cnnkit.summary(models.CommonCNN((1, 8, 8)), (1, 8, 8)))
