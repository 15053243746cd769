"""The guide's SimpleCNN listing: the same calls and attributes, and one test for each thing that the listing
gets wrong.
"""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F
from cnnkit.data import datasets
from cnnkit.models import SimpleCNN

RNG = np.random.default_rng(0)
IMAGE, WIDE = RNG.random((28, 28)), RNG.random((12, 17))


def made(image=IMAGE, **settings):
    return SimpleCNN(input_size=image.shape[-2:], dtype="float64", **settings)


# -- the listing, method by method ---------------------------------------------------------------------------

def test_constructor_takes_the_guides_arguments_in_its_order():
    net = SimpleCNN(4, 5, (20, 24), 3, 7, 0.1)
    assert (net.num_filters, net.filter_size, net.input_size, net.pool_size,
            net.output_classes, net.learning_rate) == (
                4, 5, (20, 24), 3, 7, 0.1)
    assert net.filters.shape == (4, 5, 5)
    assert net.fc_bias.shape == (7, 1)


def test_convolve_is_the_guides_loops_and_a_bias():
    net = made()
    net.filter_bias = RNG.random(8)
    out = net.convolve(IMAGE)
    assert out.shape == (26, 26, 8)
    for f, i, j in [(0, 0, 0), (3, 10, 20), (7, 25, 25)]:
        assert out[i, j, f] == pytest.approx(np.sum(IMAGE[i:i + 3, j:j + 3] * net.filters[f])
                                             + net.filter_bias[f])


def test_relu_is_numpys_maximum_with_0():
    x = RNG.standard_normal((5, 6, 8))
    np.testing.assert_array_equal(made().relu(x), np.maximum(0, x))


def test_pool_is_the_guides_loops():
    x = RNG.standard_normal((26, 27, 8))
    out = made().pool(x)
    assert out.shape == (13, 13, 8)
    for i, j in [(0, 0), (5, 12), (12, 3)]:
        np.testing.assert_array_equal(out[i, j], np.max(x[2 * i:2 * i + 2, 2 * j:2 * j + 2], axis=(0, 1)))


def test_softmax_is_the_guides_formula():
    x = RNG.standard_normal((10, 1))
    exp_x = np.exp(x - np.max(x))
    np.testing.assert_allclose(made().softmax(x), exp_x / np.sum(exp_x, axis=0, keepdims=True))


def test_forward_leaves_the_guides_attributes():
    net = made()
    out = net.forward(IMAGE)
    np.testing.assert_array_equal(net.conv_output, net.convolve(IMAGE))
    np.testing.assert_array_equal(net.relu_output, net.relu(net.conv_output))
    np.testing.assert_array_equal(net.pooled_output, net.pool(net.relu_output))
    np.testing.assert_array_equal(net.flattened, net.pooled_output.flatten().reshape(-1, 1))
    np.testing.assert_allclose(net.fc_output, np.dot(net.fc_weights, net.flattened) + net.fc_bias)
    np.testing.assert_allclose(net.softmax_output, net.softmax(net.fc_output))
    np.testing.assert_array_equal(out, net.softmax_output)
    assert out.shape == (10, 1)


def test_attributes_of_a_batch_have_a_column_for_each_image():
    net, images = made(), RNG.random((5, 28, 28))
    net.forward(images)
    assert net.conv_output.shape == (5, 26, 26, 8)
    assert net.pooled_output.shape == (5, 13, 13, 8)
    assert net.softmax_output.shape == (10, 5)
    np.testing.assert_allclose(net.fc_output, net.fc_weights @ net.flattened + net.fc_bias)
    np.testing.assert_allclose(net.softmax_output[:, [2]], made().forward(images[2]))


def test_compute_loss_is_minus_the_log_of_the_right_classs_probability():
    net = made()
    p = net.forward(IMAGE)
    assert net.compute_loss(3) == pytest.approx(-np.log(p[3, 0]))


def test_backward_takes_one_step_down_the_gradient():
    net = made(learning_rate=0.05)
    before = {name: getattr(net, name) for name in ("filters", "filter_bias", "fc_weights", "fc_bias")}
    gradients = net.gradients(IMAGE, 3)
    net.forward(IMAGE)
    loss = net.compute_loss(3)
    net.backward(IMAGE, 3)
    for name, value in before.items():
        np.testing.assert_allclose(getattr(net, name), value - 0.05 * gradients[name])
    net.forward(IMAGE)
    assert net.compute_loss(3) < loss


def test_train_prints_the_guides_line_and_accuracy(capsys):
    made().train(IMAGE, 3, epochs=2)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("Epoch 1, Loss: 2.")
    assert first.split(", ")[2].startswith("Accuracy: ")
    assert second.startswith("Epoch 2, Loss: ")


def test_predict_returns_the_class_with_the_highest_probability():
    net = made()
    assert net.predict(IMAGE) == np.argmax(net.forward(IMAGE))
    assert type(net.predict(IMAGE)) is int
    assert net.predict(np.stack([IMAGE, IMAGE])).tolist() == [net.predict(IMAGE)] * 2


# -- what the listing gets wrong -----------------------------------------------------------------------------

def test_fc_weights_fit_what_the_valid_convolution_leaves():
    net = made()
    net.forward(IMAGE)
    assert net.fc_weights.shape == (10, 13 * 13 * 8)  # the listing makes 14 * 14 * 8
    assert net.flattened.shape == (13 * 13 * 8, 1)


@pytest.mark.parametrize("image", [IMAGE, WIDE, RNG.random((4, 12, 17)), RNG.random((3, 9, 9))],
                         ids=lambda x: str(x.shape))
def test_gradients_are_those_of_the_tape(image):
    net = made(image)
    labels = [3] if image.ndim == 2 else list(range(len(image)))
    weights = {"filters": (-1, 1, 3, 3), "filter_bias": (-1,),
               "fc_weights": net.fc_weights.shape, "fc_bias": (-1,)}
    leaves = {n: cnnkit.tensor(getattr(net, n).reshape(shape), requires_grad=True)
              for n, shape in weights.items()}
    x = cnnkit.tensor(image.reshape(-1, 1, *net.input_size))
    maps = F.max_pool2d(F.relu(F.conv2d(x, leaves["filters"], leaves["filter_bias"])), 2)
    scores = F.linear(maps.permute(0, 2, 3, 1).flatten(1), leaves["fc_weights"], leaves["fc_bias"])
    F.cross_entropy(scores, cnnkit.tensor(labels)).backward()
    for name, gradient in net.gradients(image, labels).items():
        np.testing.assert_allclose(gradient,
                                   leaves[name].grad.numpy().reshape(getattr(net, name).shape), atol=1e-12)


@pytest.mark.parametrize("name", ["filters", "filter_bias", "fc_weights", "fc_bias"])
def test_gradients_are_those_of_finite_differences(name):
    net, images, labels = made(WIDE), RNG.random((3, 12, 17)), [1, 2, 3]
    direction = RNG.standard_normal(getattr(net, name).shape)
    slope = np.sum(net.gradients(images, labels)[name] * direction)
    losses = []
    for sign in (1, -1):
        moved = made(WIDE)
        setattr(moved, name, getattr(net, name) + sign * 1e-6 * direction)
        moved.forward(images)
        losses.append(moved.compute_loss(labels))
    assert (losses[0] - losses[1]) / 2e-6 == pytest.approx(slope, rel=1e-6)


def test_backward_leaves_softmax_output_as_it_was():
    net = made()
    before = net.forward(IMAGE).copy()
    net.backward(IMAGE, 3)  # the listing takes 1 from softmax_output itself
    np.testing.assert_array_equal(net.softmax_output, before)


def test_images_may_be_wider_than_high():
    net = made(WIDE)
    assert net.convolve(WIDE).shape == (10, 15, 8)
    assert net.forward(WIDE).shape == (10, 1)


def test_first_scores_are_moderate_because_weights_are_scaled():
    losses = []
    for seed in range(5):
        net = made(seed=seed)
        net.forward(RNG.random((50, 28, 28)))
        losses.append(net.compute_loss(list(range(10)) * 5))
    assert np.mean(losses) == pytest.approx(np.log(10), rel=0.05)


def test_a_tie_gives_its_gradient_to_one_pixel():
    net = made(num_filters=1)
    net.filters = np.ones((1, 3, 3))
    flat = np.ones((28, 28))  # every window of the feature map is a tie of four
    gradients = net.gradients(flat, 0)
    ddense = net.fc_weights.T @ (net.softmax_output - np.eye(10)[:, [0]])
    # the listing would give four times this
    np.testing.assert_allclose(gradients["filter_bias"], [ddense.sum()])


def test_filters_have_a_bias_as_the_guides_formula_counts():
    net = made()
    assert net.filters.size + net.filter_bias.size == cnnkit.shapes.conv2d_parameters(1, 8, 3) == 80


def test_train_takes_a_whole_set_image_by_image(capsys):
    data = datasets.digits()
    images, labels = np.asarray(data.data[:300]), np.asarray(data.targets[:300])
    net = SimpleCNN(input_size=(8, 8), learning_rate=0.05)
    net.train(images, labels, epochs=5)
    assert (net.predict(images) == labels).mean() > 0.9
    losses = [loss for loss, _ in net.history]
    assert losses[-1] < losses[0] / 2
    assert capsys.readouterr().out.count("\n") == 5
