"""SimpleCNN beyond the guide's listing: libraries, repeatability, bad input, speed."""

import numpy as np
import pytest

import cnnkit
from cnnkit.models import SimpleCNN

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.random((20, 9, 11)).astype("float32"), RNG.integers(0, 10, 20)


def test_the_same_seed_trains_the_same_weights():
    nets = [SimpleCNN(input_size=(9, 11), seed=3) for _ in range(2)]
    for net in nets:
        net.train(IMAGES, LABELS, epochs=2, verbose=False)
    np.testing.assert_array_equal(nets[0].filters, nets[1].filters)
    assert nets[0].history == nets[1].history


def test_two_calls_of_train_go_on_where_the_first_stopped():
    once, twice = SimpleCNN(input_size=(9, 11)), SimpleCNN(input_size=(9, 11))
    once.train(IMAGES, LABELS, epochs=2, verbose=False)
    twice.train(IMAGES, LABELS, epochs=1, verbose=False)
    twice.train(IMAGES, LABELS, epochs=1, verbose=False)
    np.testing.assert_array_equal(once.fc_weights, twice.fc_weights)


def test_every_epoch_sees_the_images_in_another_order():
    net, same = SimpleCNN(input_size=(9, 11)), SimpleCNN(input_size=(9, 11))
    net.train(IMAGES, LABELS, epochs=2, verbose=False)
    for _ in range(2):
        same.history.clear()  # the next epoch is the first again
        same.train(IMAGES, LABELS, epochs=1, verbose=False)
    assert (net.fc_weights != same.fc_weights).any()


def test_batch_size_averages_the_gradients_of_its_images():
    net, start = (SimpleCNN(input_size=(9, 11), dtype="float64") for _ in range(2))
    net.train(IMAGES, LABELS, epochs=1, batch_size=20, shuffle=False, verbose=False)
    mean = np.mean([start.gradients(x, y)["filters"] for x, y in zip(IMAGES, LABELS.tolist())], axis=0)
    np.testing.assert_allclose(net.filters, start.filters - 0.01 * mean)


def test_every_library_trains_the_same_network(backend):
    net, expected = SimpleCNN(input_size=(9, 11)), SimpleCNN(input_size=(9, 11), backend="numpy")
    for network in (net, expected):
        network.train(IMAGES, LABELS, epochs=1, batch_size=4, verbose=False)
    np.testing.assert_allclose(backend.to_numpy(net.fc_weights), expected.fc_weights, rtol=1e-4, atol=1e-6)
    assert backend.to_numpy(net.predict(IMAGES)).tolist() == expected.predict(IMAGES).tolist()
    assert net.conv_output.shape == (20, 7, 9, 8)
    assert net.convolve(IMAGES[0]).shape == net.relu(net.convolve(IMAGES[0])).shape == (7, 9, 8)
    assert net.pool(net.convolve(IMAGES[0])).shape == (3, 4, 8)


def test_images_and_labels_are_not_written():
    images, labels = IMAGES.copy(), LABELS.copy()
    SimpleCNN(input_size=(9, 11)).train(images, labels, epochs=1, verbose=False)
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)


def test_uint8_pictures_are_scaled_to_1():
    net, picture = SimpleCNN(input_size=(9, 11)), RNG.integers(0, 256, (9, 11), "uint8")
    np.testing.assert_allclose(net.forward(picture), net.forward(picture / 255), rtol=1e-6)


def test_tensors_lists_and_images_with_a_channel_are_taken():
    net = SimpleCNN(input_size=(9, 11))
    expected = net.forward(IMAGES)
    for images in (cnnkit.tensor(IMAGES), IMAGES.tolist(), IMAGES[:, None]):
        np.testing.assert_allclose(net.forward(images), expected, rtol=1e-6)


def test_weights_set_by_the_user_are_used():
    net = SimpleCNN(input_size=(9, 11), num_filters=1)
    net.forward(IMAGES[0])
    net.filters = np.zeros((1, 3, 3), "float32")
    assert (net.gradients(IMAGES[0], 1)["fc_weights"] == 0).all()
    assert (net.conv_output == 0).all()


def test_gradients_of_another_image_than_forwards_run_it_first():
    net = SimpleCNN(input_size=(9, 11))
    expected = net.gradients(IMAGES[1], 2)["filters"]
    net.forward(IMAGES[0])
    np.testing.assert_array_equal(net.gradients(IMAGES[1], 2)["filters"], expected)


def test_predict_of_many_images_is_that_of_each_image():
    net, images = SimpleCNN(input_size=(9, 11)), RNG.random((600, 9, 11))
    classes = net.predict(images)
    assert classes.shape == (600,)
    assert [net.predict(images[i]) for i in (0, 255, 256, 599)] == classes[[0, 255, 256, 599]].tolist()


@pytest.mark.parametrize(("images", "labels", "message"), [
    (np.ones((8, 11)), 1, r"takes one grey image of shape \(9, 11\), or a batch \(N, 9, 11\); got \(8, 11\)"),
    (np.ones((2, 3, 9, 11)), [1, 2], r"got \(2, 3, 9, 11\)"),
    (np.ones((0, 9, 11)), [], r"got \(0, 9, 11\)"),
    (np.ones((9, 11)), 10, r"takes labels 0 ... 9; got 10"),
    (np.ones((9, 11)), -1, r"takes labels 0 ... 9; got -1"),
    (np.ones((9, 11)), 1.5, r"takes labels 0 ... 9; got 1.5"),
    (np.ones((2, 9, 11)), [1], r"SimpleCNN takes one label for each image; got 2 images and 1 label$")])
def test_bad_input_says_what_is_taken(images, labels, message):
    with pytest.raises(ValueError, match=message):
        SimpleCNN(input_size=(9, 11)).train(images, labels)


WEIGHTS = ("filters", "filter_bias", "fc_weights", "fc_bias")


@pytest.mark.parametrize("call", [
    lambda net, X: net.train(X, LABELS, verbose=False),
    lambda net, X: net.backward(X, LABELS), lambda net, X: net.forward(X),
    lambda net, X: net.predict(X), lambda net, X: net.gradients(X, LABELS)],
    ids=["train", "backward", "forward", "predict", "gradients"])
@pytest.mark.parametrize(("pixel", "name"),
                         [(np.nan, "NaN"), (np.inf, "an infinite value")], ids=["nan", "inf"])
def test_images_that_are_not_finite_are_refused_and_the_weights_untouched(call, pixel, name, backend):
    net, images = SimpleCNN(input_size=(9, 11)), IMAGES.copy()
    images[7, 2, 3] = pixel
    before = [getattr(net, name) for name in WEIGHTS]
    with pytest.raises(ValueError,
                       match=f"^SimpleCNN takes finite pixels, and image 7 holds {name}; repair or remove"):
        call(net, images)
    assert all(getattr(net, name) is weight for name, weight in zip(WEIGHTS, before))
    assert net.history == []


@pytest.mark.parametrize(("settings", "message"), [
    ({"num_filters": 0}, "at least 1, as num_filters, such as num_filters=8; got 0"),
    ({"num_filters": 2.5}, "as num_filters, such as num_filters=8; got 2.5"),
    ({"filter_size": 0}, "as filter_size, such as filter_size=3; got 0"),
    ({"pool_size": -1}, "as pool_size, such as pool_size=2; got -1"),
    ({"output_classes": 0}, "as output_classes, such as output_classes=10; got 0"),
    ({"input_size": 28}, r"takes input_size=\(height, width\), such as input_size=\(28, 28\); got 28"),
    ({"input_size": (28, 0)}, r"takes input_size=\(height, width\), .*got \(28, 0\)"),
    ({"input_size": (1, 28, 28)}, r"takes input_size=\(height, width\), .*got \(1, 28, 28\)"),
    ({"learning_rate": -1}, "at least 0, as learning_rate, such as learning_rate=0.01; got -1"),
    ({"learning_rate": float("nan")}, "as learning_rate, .*got nan"),
    ({"learning_rate": "0.1"}, "as learning_rate, .*got '0.1'")], ids=str)
def test_a_setting_that_makes_no_sense_says_what_does(settings, message):
    with pytest.raises(ValueError, match=f"^SimpleCNN .*{message}$"):
        SimpleCNN(**settings)


def test_numpy_integers_are_taken_as_settings():
    net = SimpleCNN(np.int64(2), np.int32(3), [np.int64(9), 11], output_classes=np.int8(4))
    assert (net.num_filters, net.input_size, net.fc_bias.shape) == (2, (9, 11), (4, 1))


@pytest.mark.parametrize(("settings", "message"), [
    ({"epochs": -1}, "at least 0, as epochs, such as epochs=10; got -1"),
    ({"epochs": 1.5}, "as epochs, .*got 1.5"),
    ({"batch_size": 0}, "at least 1, as batch_size, such as batch_size=32; got 0"),
    ({"batch_size": -4}, "as batch_size, .*got -4")], ids=str)
def test_a_run_that_makes_no_sense_is_refused_and_the_weights_untouched(settings, message):
    net = SimpleCNN(input_size=(9, 11))
    before = [getattr(net, name) for name in WEIGHTS]
    with pytest.raises(ValueError, match=f"^SimpleCNN .*{message}$"):
        net.train(IMAGES, LABELS, verbose=False, **settings)
    assert all(getattr(net, name) is weight for name, weight in zip(WEIGHTS, before))
    net.learning_rate = -1
    with pytest.raises(ValueError, match=r"learning_rate=0.01; got -1$"):
        net.train(IMAGES, LABELS, verbose=False)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_run_whose_loss_overflows_stops_with_advice_and_the_weights_of_before(capsys):
    net = SimpleCNN(input_size=(9, 11))
    net.train(IMAGES, LABELS, epochs=1, verbose=False)
    before, history = [getattr(net, name) for name in WEIGHTS], list(net.history)
    net.learning_rate = 1e30
    with pytest.raises(FloatingPointError,
                       match=r"^SimpleCNN's loss is nan after epoch 1: .*learning_rate \(it is 1e\+30\)$"):
        net.train(IMAGES, LABELS)
    assert all(getattr(net, name) is weight for name, weight in zip(WEIGHTS, before))
    assert net.history == history
    assert capsys.readouterr().out == ""


def test_attributes_before_the_first_forward_say_so():
    with pytest.raises(AttributeError, match=r"call forward\(X\) first"):
        SimpleCNN().conv_output  # noqa: B018


def test_a_filter_larger_than_the_image_says_what_fits():
    with pytest.raises(ValueError, match="kernel is larger"):
        SimpleCNN(input_size=(4, 4), filter_size=5)
