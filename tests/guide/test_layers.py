"""What the guide says of convolution, activation, pooling and dense layers (sections 1, 4 and 3.1 to
3.4), checked.
"""

import math

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F
from cnnkit import inspection, models, nn, shapes

IMAGE = np.random.default_rng(0).standard_normal((1, 1, 12, 12))


def shifted(image, rows, columns):
    """The image moved down and right over a dark ground."""
    moved = np.zeros_like(image)
    h, w = image.shape[-2:]
    moved[..., rows:, columns:] = image[..., :h - rows, :w - columns]
    return moved


def pattern(size=12):
    """A small bright shape on a dark ground, away from the borders."""
    image = np.zeros((1, 1, size, size))
    image[0, 0, 3:5, 3:6] = 1.0
    image[0, 0, 4, 4] = 0.5
    return image


# -- convolution: 3.1 ----------------------------------------------------------------------------------------

def test_each_output_is_the_dot_product_of_filter_and_region():
    x, weight = IMAGE, np.random.default_rng(1).standard_normal((2, 1, 3, 3))
    y = F.conv2d(cnnkit.tensor(x), cnnkit.tensor(weight)).numpy()
    for k, p, q in [(0, 0, 0), (1, 4, 7), (1, 9, 9)]:
        assert y[0, k, p, q] == pytest.approx(np.sum(x[0, 0, p:p + 3, q:q + 3] * weight[k, 0]))


def test_the_feature_map_is_brightest_where_the_pattern_is():
    image = np.zeros((1, 1, 9, 9))
    corner = np.array([[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [1.0, -1.0, -1.0]])
    image[0, 0, 4:7, 2:5] = corner
    layer = nn.Conv2d(1, 1, 3, bias=False)
    layer.weight = nn.Parameter(corner[None, None])
    levels = np.array(inspection.show_feature_maps(layer, image).pictures[0].levels)
    assert np.argwhere(levels == 255).tolist() == [[4, 2]]


def test_a_filter_of_stripes_shows_stripes_and_is_bright_on_striped_material_only():
    layer = nn.Conv2d(1, 1, 3, bias=False)
    layer.weight = nn.Parameter(np.array([[[[1.0, -2.0, 1.0]] * 3]]))
    assert inspection.show_filters(layer).pictures[0].levels == [[191, 0, 191]] * 3
    materials = np.full((9, 16), 0.5)
    materials[:, 8:] = [1.0, 0.0] * 4  # plain on the left, striped on the right
    model = nn.Sequential({"conv": layer, "relu": nn.ReLU()})
    picture, = inspection.show_feature_maps(model, materials, "relu").pictures
    levels = np.array(picture.levels)
    assert (levels[:, :6] == 0).all()
    assert (levels[:, 8::2] == 255).all()


def test_a_second_convolution_finds_the_corner_where_two_edges_meet():
    model = nn.Sequential({"edges": nn.Conv2d(1, 2, 3), "relu": nn.ReLU(), "corner": nn.Conv2d(2, 1, 1)})
    down = np.array([[-1.0] * 3, [0.0] * 3, [1.0] * 3])
    model.edges.weight, model.edges.bias = (nn.Parameter(np.stack([down.T, down])[:, None]),
                                            nn.Parameter(np.zeros(2)))
    model.corner.weight, model.corner.bias = nn.Parameter(np.ones((1, 2, 1, 1))), nn.Parameter(np.zeros(1))
    image = np.zeros((10, 10))
    image[5:, 5:] = 1.0  # its upper edge and its left edge meet in one corner
    levels = np.array(inspection.show_feature_maps(model, image, "corner").pictures[0].levels)
    assert np.argwhere(levels == 255).tolist() == [[4, 4]]
    assert levels[7, 4] == levels[4, 7] == 191  # an edge alone is darker


def test_edges_are_detected_by_sobel_filters():
    image = np.zeros((1, 1, 8, 8))
    image[..., 4:] = 1.0  # dark left, bright right
    sobel = cnnkit.tensor(np.array([[[[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]]]))
    edges = F.conv2d(cnnkit.tensor(image), sobel).numpy()[0, 0]
    assert (edges[:, 2:4] == 4).all()
    assert (np.delete(edges, [2, 3], axis=1) == 0).all()


def test_a_3x3_filter_on_a_5x5_image_gives_3x3():
    assert F.conv2d(cnnkit.tensor(np.ones((1, 1, 5, 5))),
                    cnnkit.tensor(np.ones((1, 1, 3, 3)))).shape == (1, 1, 3, 3)


@pytest.mark.parametrize(("n", "k", "s", "p"), [(28, 3, 1, 1), (5, 3, 1, 0), (7, 3, 2, 0), (9, 5, 2, 1)])
def test_output_size_follows_the_formula_where_it_divides(n, k, s, p):
    y = F.conv2d(cnnkit.tensor(np.ones((1, 1, n, n))),
                 cnnkit.tensor(np.ones((1, 1, k, k))), stride=s, padding=p)
    assert y.shape[2:] == ((n + 2 * p - k) / s + 1,) * 2 == shapes.output_size(n, k, s, p)
    assert y.shape[2] == shapes.output_length(n, k, s, p)


def test_stride_is_the_step_of_the_filter():
    x, weight = cnnkit.tensor(IMAGE), cnnkit.tensor(np.random.default_rng(1).standard_normal((2, 1, 3, 3)))
    by_one = F.conv2d(x, weight, stride=1).numpy()
    np.testing.assert_allclose(F.conv2d(x, weight, stride=2).numpy(), by_one[:, :, ::2, ::2])
    np.testing.assert_allclose(by_one[0, 0, 4, 5], np.sum(IMAGE[0, 0, 4:7, 5:8] * weight.numpy()[0, 0]))


@pytest.mark.parametrize(("n", "k", "s", "p"), [(28, 3, 2, 0), (6, 3, 2, 0), (32, 5, 3, 1)])
def test_output_size_is_the_formula_rounded_down(n, k, s, p):
    exact = (n + 2 * p - k) / s + 1
    assert exact != int(exact)
    y = F.conv2d(cnnkit.tensor(np.ones((1, 1, n, n))),
                 cnnkit.tensor(np.ones((1, 1, k, k))), stride=s, padding=p)
    assert y.shape[2:] == (math.floor(exact),) * 2
    assert y.shape == shapes.conv_output_shape((1, 1, n, n), (1, 1, k, k), stride=s, padding=p)


def test_1x1_convolution_is_one_linear_map_for_every_pixel():
    x, weight = (np.random.default_rng(2).standard_normal((2, 5, 4, 6)),
                 np.random.default_rng(3).standard_normal((7, 5, 1, 1)))
    y = F.conv2d(cnnkit.tensor(x), cnnkit.tensor(weight), stride=1, padding=0).numpy()
    assert y.shape == (2, 7, 4, 6)  # n_h and n_w unchanged
    for h in range(4):
        for w in range(6):
            np.testing.assert_allclose(y[:, :, h, w], x[:, :, h, w] @ weight[:, :, 0, 0].T)


def test_1x1_convolution_mixes_no_neighbours():
    x, weight = IMAGE.copy(), cnnkit.tensor(np.full((1, 1, 1, 1), 2.0))
    before = F.conv2d(cnnkit.tensor(x), weight).numpy()
    x[0, 0, 5, 5] += 1
    changed = F.conv2d(cnnkit.tensor(x), weight).numpy() != before
    assert changed.sum() == 1
    assert changed[0, 0, 5, 5]


@pytest.mark.parametrize("k", [1, 3, 5])
def test_same_padding_keeps_the_size_at_stride_1(k):
    assert nn.Conv2d(1, 2, k, padding="same", dtype="float64")(cnnkit.tensor(IMAGE)).shape == (1, 2, 12, 12)


@pytest.mark.parametrize("n", [11, 12])
def test_same_padding_at_stride_2_halves_the_size(n):
    y = nn.Conv2d(1, 2, 3, stride=2, padding="same")(cnnkit.tensor(np.ones((1, 1, n, n), "float32")))
    assert y.shape == (1, 2, 6, 6)


def test_valid_padding_shrinks_the_image():
    assert nn.Conv2d(1, 2, 3, padding="valid", dtype="float64")(cnnkit.tensor(IMAGE)).shape == (1, 2, 10, 10)


def test_higher_stride_means_less_computation():
    costs = [shapes.conv2d_flops(8, 16, 3, shapes.output_size(28, 3, s, 1)) for s in (1, 2, 4)]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] == 4 * costs[1]


def test_larger_filters_see_a_larger_region():
    fields = [shapes.receptive_field([(k, 1), (2, 2)]).size for k in (1, 3, 5)]
    assert fields == [(2, 2), (4, 4), (6, 6)]


def test_larger_filters_lose_fine_details():
    stripes = cnnkit.tensor(np.tile([1.0, 0.0], (1, 1, 12, 6)))
    blurred = [F.conv2d(stripes, cnnkit.tensor(np.full((1, 1, k, k), 1 / k ** 2))).numpy() for k in (1, 3, 5)]
    assert [np.ptp(y) for y in blurred] == pytest.approx([1, 1 / 3, 1 / 5])


def test_an_output_pixel_depends_on_its_receptive_field_alone():
    x = cnnkit.tensor(IMAGE, requires_grad=True)
    nn.Conv2d(4, 1, 3, dtype="float64")(nn.Conv2d(1, 4, 3, dtype="float64")(x))[0, 0, 2, 4].backward()
    field = shapes.receptive_field([(3, 1), (3, 1)]).size
    assert field == (5, 5)
    assert (x.grad.numpy()[0, 0, 2:7, 4:9] != 0).all()
    assert np.count_nonzero(x.grad.numpy()) == 5 * 5


def test_more_filters_mean_more_feature_maps_and_more_parameters():
    few, many = nn.Conv2d(1, 4, 3, dtype="float64"), nn.Conv2d(1, 16, 3, dtype="float64")
    assert (few(cnnkit.tensor(IMAGE)).shape[1], many(cnnkit.tensor(IMAGE)).shape[1]) == (4, 16)
    assert sum(p.numel() for p in many.parameters()) == 4 * sum(p.numel() for p in few.parameters())


# -- shared weights and position: sections 1 and 4 -----------------------------------------------------------

def test_shared_weights_need_far_fewer_parameters_than_a_dense_layer():
    convolution, dense = shapes.conv2d_parameters(1, 8, 3), shapes.linear_parameters(28 * 28, 8 * 28 * 28)
    assert convolution == 80
    assert dense / convolution > 60_000


def test_local_filters_need_far_fewer_multiplications_than_a_dense_layer():
    assert shapes.linear_flops(28 * 28, 8 * 28 * 28) > 80 * shapes.conv2d_flops(1, 8, 3, (28, 28))


def test_a_cnn_computes_more_than_an_mlp_with_as_many_parameters():
    mlp = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    cnn, dense = (cnnkit.summary(model, (1, 28, 28)) for model in (models.CommonCNN((1, 28, 28)), mlp))
    assert cnn.parameters == pytest.approx(dense.parameters, rel=0.02)
    assert cnn.flops > 3 * dense.flops


def test_parameters_of_a_dense_layer_grow_with_the_image_and_those_of_a_convolution_do_not():
    dense = [shapes.linear_parameters(3 * n * n, 128) for n in (32, 224)]
    assert dense == [393_344, 19_267_712]
    convolution = nn.Sequential(nn.Conv2d(3, 8, 3))
    tables = [cnnkit.summary(convolution, (3, n, n)) for n in (32, 224)]
    # one layer takes both
    assert [table.rows[0].output_shape for table in tables] == [(8, 30, 30), (8, 222, 222)]
    assert [table.parameters for table in tables] == [224, 224]


def test_a_dense_layer_does_not_know_where_pixels_are():
    order = np.random.default_rng(4).permutation(144)
    layer = nn.Linear(144, 10, dtype="float64")
    mixed = nn.Linear(144, 10, dtype="float64")
    mixed.load_state_dict({"weight": layer.weight.numpy()[:, order], "bias": layer.bias})
    flat = IMAGE.reshape(1, 144)
    np.testing.assert_allclose(layer(cnnkit.tensor(flat)).numpy(),
                               mixed(cnnkit.tensor(flat[:, order])).numpy())


def test_a_shifted_image_gives_a_shifted_feature_map():
    layer = nn.Conv2d(1, 4, 3, padding=1, bias=False, dtype="float64")
    here, there = (layer(cnnkit.tensor(pattern())).numpy(),
                   layer(cnnkit.tensor(shifted(pattern(), 2, 3))).numpy())
    np.testing.assert_allclose(there, shifted(here, 2, 3), atol=1e-15)


def test_global_pooling_recognises_a_pattern_wherever_it_is():
    layer = nn.Conv2d(1, 4, 3, padding=1, dtype="float64")
    maps = [layer(cnnkit.tensor(x)) for x in (pattern(), shifted(pattern(), 2, 3))]
    here, there = (F.adaptive_max_pool2d(x, 1).numpy() for x in maps)
    assert here.shape == (1, 4, 1, 1)
    np.testing.assert_allclose(here, there, atol=1e-15)
    dense = nn.Linear(4 * 12 * 12, 3, dtype="float64")  # flattening is not enough
    assert not np.allclose(*(dense(x.flatten(1)).numpy() for x in maps))


# -- initialization: section 3 -------------------------------------------------------------------------------

def deviation_after_ten_layers(initialise):
    cnnkit.random.seed(0)
    x = cnnkit.tensor(np.random.default_rng(9).standard_normal((2, 16, 12, 12)).astype("float32"))
    for _ in range(10):
        layer = nn.Conv2d(16, 16, 3, padding="same", bias=False)
        initialise(layer.weight)
        x = F.relu(layer(x))
    return x.numpy().std()


def test_kaiming_filters_keep_the_signal_through_ten_layers_and_tiny_ones_lose_it():
    assert 0.1 < deviation_after_ten_layers(lambda w: nn.init.kaiming_uniform_(w, nonlinearity="relu")) < 10
    assert deviation_after_ten_layers(lambda w: nn.init.normal_(w, std=0.01)) < 1e-6


# -- activations: 3.2 ----------------------------------------------------------------------------------------

def test_relu_is_the_maximum_of_0_and_x():
    x = cnnkit.tensor([-2.0, 0.0, 3.0])
    assert F.relu(x).tolist() == nn.ReLU()(x).tolist() == [0, 0, 3]


def test_two_layers_without_activation_are_one_linear_layer():
    first, second = nn.Linear(5, 7, dtype="float64"), nn.Linear(7, 3, dtype="float64")
    x = cnnkit.tensor(np.random.default_rng(5).standard_normal((4, 5)))
    weight = second.weight.numpy() @ first.weight.numpy()
    bias = second.weight.numpy() @ first.bias.numpy() + second.bias.numpy()
    np.testing.assert_allclose(second(first(x)).numpy(), x.numpy() @ weight.T + bias)
    assert not np.allclose(second(F.relu(first(x))).numpy(), x.numpy() @ weight.T + bias)


def test_leaky_relu_lets_small_negative_values_and_their_gradient_through():
    x = cnnkit.tensor([-2.0, 3.0], requires_grad=True)
    y = F.leaky_relu(x, 0.01)
    y.sum().backward()
    assert y.tolist() == nn.LeakyReLU(0.01)(x).tolist() == pytest.approx([-0.02, 3.0])
    assert x.grad.tolist() == pytest.approx([0.01, 1.0])


def test_a_dead_relu_has_no_gradient():
    x = cnnkit.tensor([-2.0], requires_grad=True)
    F.relu(x).sum().backward()
    assert x.grad.tolist() == [0]


@pytest.mark.parametrize(("activation", "bound"), [(F.sigmoid, 0.25 ** 10), (F.tanh, 0.05)])
def test_gradients_vanish_through_ten_saturating_activations(activation, bound):
    x = cnnkit.tensor([2.0], requires_grad=True)
    y = x
    for _ in range(10):
        y = activation(y)
    y.sum().backward()
    assert 0 < x.grad.item() <= bound


def test_gradients_do_not_vanish_through_ten_relus():
    x = cnnkit.tensor([2.0], requires_grad=True)
    y = x
    for _ in range(10):
        y = F.relu(y)
    y.sum().backward()
    assert x.grad.item() == 1


# -- pooling: 3.3 --------------------------------------------------------------------------------------------

def test_max_pooling_takes_the_highest_value_of_each_region():
    x = cnnkit.tensor([[[[1.0, 2.0, 5.0, 6.0], [3.0, 4.0, 7.0, -8.0]]]])
    assert F.max_pool2d(x, 2).tolist() == nn.MaxPool2d(2)(x).tolist() == [[[[4, 7]]]]


def test_average_pooling_takes_the_mean_of_each_region():
    x = cnnkit.tensor([[[[1.0, 2.0, 5.0, 6.0], [3.0, 4.0, 7.0, -8.0]]]])
    assert F.avg_pool2d(x, 2).tolist() == nn.AvgPool2d(2)(x).tolist() == [[[[2.5, 2.5]]]]


def test_average_pooling_smooths():
    x = cnnkit.tensor(IMAGE)
    assert nn.AvgPool2d(2)(x).numpy().std() < 0.75 * x.numpy().std()


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.AvgPool2d(2), lambda x: F.max_pool2d(x, 2),
                                  lambda x: F.avg_pool2d(x, 2)])
def test_2x2_pooling_removes_75_percent_of_even_images(pool):
    y = pool(cnnkit.tensor(IMAGE))
    assert y.shape == (1, 1, 12 / 2, 12 / 2) == shapes.pool_output_shape(IMAGE.shape, 2)
    assert 1 - y.numel() / IMAGE.size == 0.75


def test_2x2_pooling_of_7x7_removes_more_than_75_percent():
    # floor(7 / 2): 40 of 49 pixels go
    assert F.max_pool2d(cnnkit.tensor(np.ones((1, 1, 7, 7))), 2).shape == (1, 1, 3, 3)
    assert shapes.pool_output_shape((1, 1, 7, 7), 2) == (1, 1, 3, 3)
    assert shapes.output_size(7, 2, 2, ceil_mode=True) == (4, 4)


def test_pooling_makes_the_layers_after_it_cheaper():
    pooled, whole = (cnnkit.summary(models.CNN((1, 28, 28), pool=pool), (1, 28, 28)) for pool in ([2, 0], 0))
    for name in ("features.conv2", "classifier.fc1"):
        costs = [row.flops for table in (pooled, whole) for row in table.rows if row.name == name]
        assert costs[1] == 4 * costs[0]


# -- dense layer and softmax: 3.4 ----------------------------------------------------------------------------

def test_a_dense_layer_weighs_every_input_for_every_output():
    layer = nn.Linear(4, 3, dtype="float64")
    x = np.random.default_rng(6).standard_normal((2, 4))
    np.testing.assert_allclose(layer(cnnkit.tensor(x)).numpy(),
                               x @ layer.weight.numpy().T + layer.bias.numpy())


def test_softmax_is_each_exponential_over_their_sum():
    z = np.array([[1.0, -2.0, 0.5]])
    p = F.softmax(cnnkit.tensor(z), dim=1).numpy()
    np.testing.assert_allclose(p, np.exp(z) / np.exp(z).sum())
    assert p.sum() == pytest.approx(1)


def test_softmax_of_large_scores_does_not_overflow():
    assert F.softmax(cnnkit.tensor([[1000.0, 0.0]]), dim=1).tolist() == [[1, 0]]


def test_cross_entropy_of_scores_is_minus_the_log_of_the_softmax():
    z, y = np.random.default_rng(7).standard_normal((5, 10)), np.arange(5)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    assert F.cross_entropy(cnnkit.tensor(z),
                           cnnkit.tensor(y)).item() == pytest.approx(-np.log(p[np.arange(5), y]).mean())
    assert nn.CrossEntropyLoss()(cnnkit.tensor(z),
                                 cnnkit.tensor(y)).item() == pytest.approx(-np.log(p[np.arange(5), y]).mean())


def test_log_softmax_before_cross_entropy_changes_nothing_and_is_not_needed():
    z, y = cnnkit.tensor(np.random.default_rng(8).standard_normal((5, 10))), cnnkit.tensor(np.arange(5))
    assert F.cross_entropy(F.log_softmax(z, dim=1), y).item() == pytest.approx(F.cross_entropy(z, y).item())
    assert F.nll_loss(F.log_softmax(z, dim=1), y).item() == pytest.approx(F.cross_entropy(z, y).item())


def test_softmax_before_cross_entropy_gives_another_loss():
    z, y = cnnkit.tensor([[8.0, 0.0]]), cnnkit.tensor([0])
    assert F.cross_entropy(z, y).item() == pytest.approx(0.0003, abs=1e-4)
    assert F.cross_entropy(F.softmax(z, dim=1), y).item() == pytest.approx(0.3135, abs=1e-4)
