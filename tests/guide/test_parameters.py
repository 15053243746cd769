"""The guide's arithmetic of parameters, by formula and counted on built models."""

import pytest

import cnnkit
from cnnkit import models, nn, shapes

GUIDE = (3, 28, 56)  # the input that the guide's table needs; it does not say so


def counts(model, input_shape):
    """Parameters of every layer that is no activation and no flattening, in order."""
    return [row.parameters for row in cnnkit.summary(model, input_shape).rows
            if row.kind not in ("ReLU", "Flatten")]


def total(model):
    return sum(p.numel() for p in model.parameters())


def test_conv_layer_with_8_filters_of_3x3x3_has_224_parameters():
    layer = nn.Conv2d(3, 8, 3)
    assert layer.weight.numel() == (3 * 3 * 3) * 8 == 216
    assert layer.bias.numel() == 8
    assert total(layer) == shapes.conv2d_parameters(3, 8, 3) == 216 + 8 == 224


def test_each_filter_has_height_width_and_depth_of_its_input():
    assert nn.Conv2d(5, 7, (2, 3)).weight.shape == (7, 5, 2, 3)


def test_pooling_has_no_parameters():
    assert total(nn.MaxPool2d(2)) == total(nn.AvgPool2d(2)) == 0


def test_dense_layer_from_8x14x14_to_128_has_200832_parameters():
    assert nn.Flatten()(cnnkit.tensor([[[[0.0] * 14] * 14] * 8])).shape == (1, 1568)
    layer = nn.Linear(8 * 14 * 14, 128)
    assert layer.weight.numel() == 1568 * 128 == 200704
    assert layer.bias.numel() == 128
    assert total(layer) == shapes.linear_parameters(8 * 14 * 14, 128) == 200704 + 128 == 200832


def test_output_layer_from_128_to_10_has_1290_parameters():
    assert total(nn.Linear(128, 10)) == shapes.linear_parameters(128, 10) == 1280 + 10 == 1290


def test_the_guides_table_adds_up_to_203514():
    model = models.CommonCNN(GUIDE)
    assert counts(model, GUIDE) == [224, 0, 1168, 0, 200832, 1290]
    assert cnnkit.summary(model, GUIDE).parameters == total(model) == 203514


def test_no_square_image_gives_the_guides_table():
    fitting = [n for n in range(1, 400) if 16 * (n // 4) ** 2 == 8 * 14 * 14]
    assert fitting == []


@pytest.mark.parametrize(("input_shape", "padding", "dense", "parameters"), [
    ((3, 28, 56), "same", 200832, 203514), ((3, 32, 32), "same", 131200, 133882),
    ((3, 32, 32), "valid", 73856, 76538), ((1, 28, 28), "same", 100480, 103018)])
def test_total_parameters_of_the_common_architecture(input_shape, padding, dense, parameters):
    table = cnnkit.summary(models.CNN(input_shape, padding=padding), input_shape)
    assert [row.parameters for row in table.rows if row.name == "classifier.fc1"] == [dense]
    assert table.parameters == parameters


def test_summary_prints_the_guides_formulas_filled_in():
    text = str(cnnkit.summary(models.CommonCNN(GUIDE), GUIDE))
    for formula in ("(3 x 3 x 3) x 8 + 8 = 224", "(3 x 3 x 8) x 16 + 16 = 1168",
                    "(1568 x 128) + 128 = 200832", "(128 x 10) + 10 = 1290", "Total parameters: 203514"):
        assert formula in text


def test_conv_parameters_depend_on_filter_size_depth_and_filters_and_not_on_the_image():
    base = shapes.conv2d_parameters(3, 8, 3)
    assert min(shapes.conv2d_parameters(3, 8, 5), shapes.conv2d_parameters(6, 8, 3),
               shapes.conv2d_parameters(3, 16, 3)) > base
    tables = [cnnkit.summary(models.CommonCNN((3, n, n)), (3, n, n)) for n in (16, 32)]
    assert tables[0].rows[0].parameters == tables[1].rows[0].parameters == base


def test_dense_parameters_scale_with_the_number_of_neurons():
    few, many = (shapes.linear_parameters(1568, neurons) for neurons in (128, 256))
    assert many == 2 * few
