"""`fit`, `evaluate` and `predict` take the same, alike: every form of the images gives the same figures."""

import numpy as np
import pytest
from PIL import Image

from cnnkit import functional as F
from cnnkit import models, nn, random, tensor, train
from cnnkit.data import ArrayDataset, DataLoader, InputWarning, IterableDataset
from cnnkit.data.transforms import Compose, Normalize, ToTensor
from cnnkit.evaluation.intake import Intake

N = 12
RNG = np.random.default_rng(0)
U = RNG.integers(0, 256, (N, 8, 8, 3), np.uint8)
X = (U / np.float32(255)).astype(np.float32).transpose(0, 3, 1, 2)
Y = np.arange(N) % 3


class Pairs(list):
    """Any sequence is a dataset."""


class Stream(IterableDataset):
    def __init__(self, samples):
        self.samples = samples

    def __iter__(self):
        return iter(self.samples)


def net(features=192, outputs=3, dtype="float32"):
    random.seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(features, outputs, dtype=dtype))


def fit(model, data, **settings):
    return train.fit(model, data, seed=0, progress=False, **settings)


FORMS = {"channels first": X, "channels last": X.transpose(0, 2, 3, 1), "uint8": U,
         "uint8 channels first": U.transpose(0, 3, 1, 2), "float64": X.astype("f8"),
         "big-endian": X.astype(">f4"), "strided": np.repeat(X, 2, axis=3)[..., ::2],
         "Fortran": np.asfortranarray(X), "list": list(X), "lists": X.tolist(),
         "memoryview": memoryview(X), "Tensor": tensor(X), "objects": np.array([*X, None], object)[:-1],
         "pictures": [Image.fromarray(picture) for picture in U], "uint16": U.astype("u2") * 257}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_images_trains_measures_and_predicts_alike(form):
    model, expected = net(), net()
    history, reference = fit(model, (FORMS[form], Y)), fit(expected, (X, Y))
    assert history[0].loss == pytest.approx(reference[0].loss, rel=1e-5)
    scores = train.evaluate(model, (FORMS[form], Y))
    assert scores.loss == pytest.approx(train.evaluate(expected, (X, Y)).loss, rel=1e-5)
    np.testing.assert_allclose(train.predict_outputs(model, FORMS[form]).numpy(),
                               train.predict_outputs(expected, X).numpy(), rtol=1e-4, atol=1e-5)


def test_images_on_every_backend_do_too(backend):
    model = models.CNN((3, 8, 8), conv=[(2, 3)], classes=3)
    fit(model, (U, Y))
    scores = train.predict_outputs(model, X).numpy()
    np.testing.assert_allclose(train.predict_outputs(model, backend.asarray(X)).numpy(), scores, rtol=1e-5)
    np.testing.assert_allclose(train.predict_outputs(model, U).numpy(), scores, rtol=1e-4, atol=1e-6)
    assert fit(model, (backend.asarray(X), backend.asarray(Y)))[0].loss > 0


@pytest.mark.parametrize(("images", "error", "match"), [
    ((U[..., 0]).astype("i2"), TypeError, "int16 from 0 to 255; use .astype"),
    (X + 1j, TypeError, "complex64"), (X.astype(str), TypeError, "text"),
    ([X[0], X[0, :1]] * 6, ValueError, "one shape"),
    (np.where(X > 0.99, np.nan, X), ValueError, "holds NaN"), (X[:0], ValueError, "there are no images"),
    (np.zeros((N, 4, 8, 4), "f4"), ValueError, r"may be \(N, C, H, W\) or \(N, H, W, C\)"),
    (np.ma.masked_array(X, X > 0.9), ValueError, "missing values")], ids=range(8))
def test_what_one_of_them_refuses_all_refuse_with_the_same_words(images, error, match):
    labels = Y[:len(images)]
    for call in (lambda: fit(net(), (images, labels)), lambda: train.evaluate(net(), (images, labels)),
                 lambda: train.predict(net(), images)):
        with pytest.raises(error, match=match):
            call()


def test_signals_volumes_rows_and_float64_networks_keep_shape_and_dtype():
    signals = nn.Sequential(nn.Conv1d(6, 3, 3), nn.Flatten(), nn.Linear(90, 3))
    volumes = nn.Sequential(nn.Conv3d(3, 2, 3), nn.Flatten(), nn.Linear(48, 3))
    for model, images in ((signals, X.reshape(N, 6, 32)), (volumes, np.zeros((N, 3, 4, 4, 8))),
                          (net(), X.reshape(N, 192)), (net(dtype="float64"), X.astype("f8"))):
        fit(model, (images, Y))
        assert train.evaluate(model, (images, Y)).loss > 0
        assert train.predict(model, images).shape == (N,)


@pytest.mark.parametrize("make", [
    lambda: (X, Y), lambda: ArrayDataset(U, Y), lambda: DataLoader(ArrayDataset(X, Y), 5), lambda: list(X),
    lambda: Pairs((x, "a name") for x in X), lambda: Pairs((x, None) for x in X),
    lambda: Pairs({"img": x} for x in X), lambda: [{"x": x, "y": 0} for x in X],
    lambda: [[x, 3] for x in X], lambda: Pairs(X), lambda: {"image": X},
    lambda: (X[n:n + 5] for n in range(0, N, 5)), lambda: ((X[n:n + 5], None) for n in range(0, N, 5)),
    lambda: ({"pixel_values": tensor(X[n:n + 5])} for n in range(0, N, 5)), lambda: Stream(list(X)),
    lambda: Stream(list(zip(X, Y))), lambda: DataLoader(Stream(list(zip(X, Y))), 5)], ids=range(17))
def test_predict_takes_what_holds_images_and_keeps_their_order(make):
    model = net()
    expected = model(tensor(X)).argmax(dim=1).tolist()
    assert train.predict(model, make(), batch_size=5).tolist() == expected


@pytest.mark.parametrize(("images", "error", "match"), [
    (lambda: DataLoader(ArrayDataset(X, Y), 5, shuffle=True), ValueError, "in an order that nobody knows"),
    (lambda: [], ValueError, "there are no images"), (lambda: iter([]), ValueError, "there are no images"),
    (lambda: tensor(X)[:0], ValueError, r"got shape \(0, 3, 8, 8\)"), (lambda: None, TypeError, "NoneType"),
    (lambda: "photo.png", TypeError, "text"), (lambda: iter(X), ValueError, r"image\[None\]"),
    (lambda: X[0], ValueError, r"image\[None\]"), (lambda: Pairs([5]), TypeError, "int64 from 5 to 5")],
    ids=range(9))
def test_predict_says_what_it_cannot_take(images, error, match):
    model = net()
    fit(model, (X, Y))
    with pytest.raises(error, match=match):
        train.predict(model, images())


def test_predict_of_numbers_says_where_they_are():
    with pytest.raises(ValueError, match="predict_outputs gives its numbers"):
        train.predict(net(outputs=1), X)
    assert train.predict_outputs(net(outputs=1), X).shape == (N, 1)


def test_predict_repeats_the_normalisation_of_training_and_so_do_validation_and_evaluate():
    transform = Compose([ToTensor(), Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))])
    normalised = ArrayDataset(U, Y, ["a", "b", "c"], transform)
    model = net()
    history = fit(model, normalised, validation=(U, Y))
    outputs = [train.predict_outputs(model, images).numpy() for images in (U, normalised)]
    np.testing.assert_array_equal(*outputs)
    assert train.evaluate(model, (U, Y)) == train.evaluate(model, normalised)
    assert history[0].val_loss == pytest.approx(train.evaluate(model, normalised).loss)
    assert model.input_format.classes == ("a", "b", "c")


def test_what_is_learnt_does_not_depend_on_the_first_batch():
    first, second = net(), net()
    images = ArrayDataset(U, Y)
    fit(first, DataLoader(images, 2, shuffle=True, seed=0))
    fit(second, DataLoader(images, 3, shuffle=True, seed=1))
    assert first.input_format == second.input_format


def test_an_attribute_of_the_users_with_this_name_stays():
    model = net()
    model.input_format = "NCHW"
    fit(model, (X, Y))
    assert model.input_format == "NCHW"
    assert train.predict(model, X * 255).shape == (N,)


def test_dark_pictures_of_sixteen_bits_are_said_to_be_so():
    with pytest.warns(InputWarning, match=r"go up to 255, .*images / numpy.float32\(255\)"):
        fit(net(), (U.astype("u2"), Y))


def test_bytes_for_a_network_that_learnt_unscaled_floats_are_unscaled_too():
    model = net()
    with pytest.warns(InputWarning, match="floats from 0 to 255"):
        fit(model, (U.astype("f4"), Y))
    np.testing.assert_allclose(train.predict_outputs(model, U).numpy(),
                               train.predict_outputs(model, U.astype("f4")).numpy(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("call", [lambda model, images: train.evaluate(model, (images, Y)), train.predict])
def test_images_of_another_kind_than_those_of_training_are_said_to_be_so(call):
    model = net()
    fit(model, (X, Y))
    with pytest.warns(InputWarning, match="divide them by 255"):
        call(model, X * 255)
    with pytest.warns(InputWarning, match="leave out the normalisation"):
        call(model, (X - 0.5) / 0.2)
    with pytest.raises(ValueError, match="from images of 3 channels"):
        call(model, X[:, :1])
    large = nn.Sequential(nn.Conv2d(3, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    fit(large, (X, Y))
    with pytest.warns(InputWarning, match="4 x 8 pixels"):
        call(large, X[:, :, :4])


def test_training_again_forgets_what_the_network_learnt_from_before():
    model = net(192)
    fit(model, (X, Y))
    fit(model, (X.reshape(N, 192), Y))
    assert model.input_format.shape == (192,)


def test_labels_are_settled_before_the_first_update():
    for settings, data, error, match in (
            ({}, (X, Y + 1), ValueError, "label 3 of sample 2 .*1 subtracted"),
            ({}, (X, Y * 1.0), TypeError, "loss=functional.mse_loss"),
            ({"validation": (X, Y + 1)}, (X, Y), ValueError, "label 3 of sample 2"),
            ({"validation": (X, Y * 1.0)}, (X, Y), TypeError, "class labels"),
            ({"loss": F.mse_loss}, (X, np.arange(N)), ValueError, r"\(N,\): mse_loss needs the same shape"),
            ({"loss": lambda o, t: ((o - t) ** 2).mean()}, (X, np.arange(N) / 9), ValueError, r"\(N, N\)")):
        model = net(outputs=1 if "loss" in settings else 3)
        before = model[1].weight.numpy().copy()
        with pytest.raises(error, match=match):
            fit(model, data, **settings)
        np.testing.assert_array_equal(model[1].weight.numpy(), before)


@pytest.mark.parametrize(("targets", "loss", "outputs"), [
    (RNG.random((N, 1)), F.mse_loss, 1), (np.arange(N)[:, None], nn.MSELoss(), 1),
    (RNG.random((N, 2)), F.mse_loss, 2),
    (np.where(Y == 1, -100, Y), None, 3), (np.where(Y == 1, -1, Y), nn.CrossEntropyLoss(ignore_index=-1), 3),
    (Y.astype("u1"), None, 3), (Y > 0, None, 3), (np.eye(3, dtype=int)[Y], None, 3),
    (np.eye(3)[Y], None, 3)], ids=range(9))
def test_targets_of_every_kind_that_a_loss_takes_train_it(targets, loss, outputs):
    model = net(outputs=outputs)
    history = fit(model, (X, targets), epochs=3, loss=loss, lr=0.01)
    assert history[2].loss < history[0].loss
    assert train.evaluate(model, (X, targets), loss).loss > 0


@pytest.mark.parametrize(("masks", "loss"), [
    (RNG.integers(0, 2, (N, 8, 8)), None), (RNG.integers(0, 2, (N, 8, 8), np.uint8), F.cross_entropy),
    (np.where(U[..., 0] > 99, 255, 1).astype("u1"), nn.CrossEntropyLoss(ignore_index=255))], ids=range(3))
def test_masks_train_a_network_that_scores_every_pixel(masks, loss):
    model = nn.Conv2d(3, 2, 1)
    assert fit(model, (X, masks), loss=loss)[0].loss > 0
    assert train.predict(model, X).shape == (N, 8, 8)
    with pytest.raises(ValueError, match=r"label 2 of sample 0 is outside 0\.\.1"):
        fit(model, (X, np.full((N, 8, 8), 2)))


def test_batches_of_other_loaders_become_tensors_of_the_networks_dtype():
    batches = [{"pixel_values": X[:6].astype("f8"), "labels": Y[:6].tolist()}, (U[6:], Y[6:].astype("i4"))]

    class Loader:
        def __iter__(self):
            return iter(batches)
    model, expected = net(), net()
    loss = fit(model, Loader())[0].loss
    assert loss == pytest.approx(fit(expected, DataLoader(ArrayDataset(X, Y), 6))[0].loss, rel=1e-5)
    with pytest.raises(TypeError, match=r"a loader must give batches \(x, y\).*gave a ndarray"):
        fit(model, iter([X]))


def test_data_without_labels_are_refused():
    for data in (X, tensor(X)):
        with pytest.raises(TypeError, match="has no labels: give"):
            train.evaluate(net(), data)
    assert fit(net(), {"image": X, "label": Y})[0].loss == fit(net(), [X, Y])[0].loss


def test_a_network_without_parameters_takes_what_it_gets():
    intake = Intake(nn.Flatten())
    assert intake.input(tensor(X.astype("f8"))).dtype == "float64"
