"""NumPy's numbers as settings: taken as the numbers they are, everywhere, and kept as Python's."""

import numpy as np
import pytest
from layer_settings import settings_of

import cnnkit
from cnnkit import data, evaluation, models, nn, optim, random, train
from cnnkit import functional as F
from cnnkit.data import transforms
from cnnkit.foreign import plain, whole
from cnnkit.optim import lr_scheduler
from cnnkit.train import callbacks
from cnnkit.train.tree import split

I, F32, F64 = np.int64, np.float32, np.float64
KEY = (0, 0)
PAIRS = list(zip(np.ones((8, 1, 4, 4), "float32"), np.arange(8) % 3))


def of_numpy(value):
    kinds = {bool: np.bool_, int: I, float: F64}
    if isinstance(value, tuple):
        return tuple(map(of_numpy, value))
    return kinds.get(type(value), lambda same: same)(value)


def network():
    random.seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(I(16), I(3)))


def fit(**settings):
    return train.fit(network(), data.DataLoader(PAIRS, I(4)), progress=False, **settings)


@pytest.mark.parametrize("value", [2.0, F32(2), True, np.bool_(True), "2", None, np.ones(2), -1])
def test_what_is_no_whole_number_is_refused_by_name(value):
    with pytest.raises(ValueError, match="epochs must be a whole number, 0 or more; got"):
        whole("epochs", value, 0)


def test_a_number_of_any_library_becomes_pythons():
    values = (I(3), F32(0.5), np.bool_(True), np.array(2), cnnkit.tensor(4.0), [np.uint8(1)], "a", None)
    found = plain(values)
    assert found == (3, 0.5, True, 2, 4.0, [1], "a", None)
    assert [type(value) for value in found[:5]] == [int, float, bool, int, float]
    array = np.ones(3)
    assert plain(array) is array


@pytest.mark.parametrize("name", [name for name in nn.__all__ if isinstance(getattr(nn, name), type)
                                  and issubclass(getattr(nn, name), nn.FunctionModule)
                                  and name != "FunctionModule"])
@pytest.mark.filterwarnings("ignore:NLLLoss2d has been deprecated:FutureWarning")
def test_a_layer_keeps_its_settings_as_pythons(name):
    for settings in settings_of(name):
        layer, same = (getattr(nn, name)(**{k: convert(v) for k, v in settings.items()})
                       for convert in (of_numpy, lambda value: value))
        assert repr(layer) == repr(same)


def test_layers_with_weights_take_them():
    x = cnnkit.tensor(np.ones((2, 4, 5, 5), "float32"), requires_grad=True)
    for layer in (nn.Conv2d(I(4), I(2), I(3), I(1), I(1), I(1), groups=I(2)), nn.BatchNorm2d(I(4), F32(1e-5)),
                  nn.ConvTranspose2d(I(4), I(2), (I(3), 3), I(2), I(1), I(1), I(2)), nn.Dropout(F32(0.5)),
                  nn.MaxPool2d(I(2), I(2), I(1)), nn.LeakyReLU(F64(0.1))):
        y = layer(x)
        assert y.dtype == x.dtype
        y.sum().backward()
    assert F.conv2d(x, cnnkit.tensor(np.ones((4, 2, 3, 3), "float32")), groups=I(2)).shape == (2, 4, 3, 3)
    with pytest.raises(TypeError, match="groups must be an integer"):
        F.conv2d(x, x, groups=F32(2))


@pytest.mark.parametrize("kind", [F32, F64, np.array])
def test_an_optimizer_keeps_the_parameters_dtype_and_settings_of_python(backend, kind):
    for make in (lambda p: optim.SGD(p, lr=kind(0.1), momentum=kind(0.5)),
                 lambda p: optim.Adam([{"params": p, "lr": kind(0.1)}], betas=(kind(0.5), kind(0.9)))):
        p = cnnkit.tensor([1.0, 2.0], requires_grad=True)
        optimizer = make([p])
        for _ in range(2):
            (p * p).sum().backward()
            optimizer.step()
            optimizer.param_groups[0]["lr"] = kind(0.1)  # a schedule of one's own
        assert "float32" in str(p.dtype)
        _, tensors = split(optimizer.state_dict())
        assert len(tensors) in (1, 2)
    assert type(make([p]).param_groups[0]["lr"]) is float


SCHEDULES = {
    "StepLR": lambda o: lr_scheduler.StepLR(o, I(2), F32(0.5)),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, np.array([1, 2]), F64(0.5)),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, I(4), F64(0.01)),
    "restarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, I(2), I(2), F64(0.01)),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, F32(0.5), F32(1), I(3)),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, I(4), F64(2)),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, F32(0.1), epochs=I(2), steps_per_epoch=I(5)),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda step: np.cos(np.pi * step / 8)),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, total_iters=I(2)), lr_scheduler.ExponentialLR(o, F64(0.9))], [I(2)])}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_sets_rates_of_python_and_goes_into_a_checkpoint(name):
    optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=F32(0.1), momentum=0.9)
    schedule = SCHEDULES[name](optimizer)
    for _ in range(3):
        schedule.step()
    assert type(optimizer.param_groups[0]["lr"]) is float
    assert split(schedule.state_dict())[0]["last_epoch"] == 3


def test_fit_takes_them_and_its_callbacks_do(tmp_path):
    history = fit(epochs=I(2), lr=F32(0.1), seed=I(3), accumulate_grad_batches=I(2), clip_norm=F32(1),
                  ema=F32(0.9), scheduler="cosine", class_weight=np.ones(3), callbacks=[
                      callbacks.Checkpoint(tmp_path, every_n_epochs=I(1), every_n_batches=I(1), keep=I(2)),
                      callbacks.EarlyStopping("loss", patience=I(2), min_delta=F32(0)),
                      callbacks.StopOnNaN(I(1)), callbacks.LearningRateMonitor(),
                      callbacks.JSONLinesLogger(tmp_path / "log")])
    assert len(history) == 2
    assert evaluation.metrics.TopKAccuracy(I(2)).k == 2
    cnnkit.set_num_threads(I(cnnkit.get_num_threads()))
    model = models.CNN((I(1), I(8), I(8)), conv=[(I(4), I(3))], hidden=[I(5)], classes=I(3), dropout=F32(0.5))
    models.save_model(model, tmp_path / "model")


def test_data_take_them():
    assert [len(part) for part in data.random_split(PAIRS, [F32(0.5), F32(0.5)], seed=I(0))] == [4, 4]
    assert data.ArrayDataset(np.ones((2, 4, 4), "float32"), [0, 1], classes=I(3)).classes == ("0", "1", "2")
    image = np.ones((1, 4, 4), "float32")
    for transform, same in (
            (transforms.RandomCrop(I(4), padding=I(1), fill=F32(1)), transforms.RandomCrop(4, 1, fill=1)),
            (transforms.RandomRotation(F32(10)), transforms.RandomRotation(10)),
            (transforms.ColorJitter(F32(0.5), hue=F32(0.25)), transforms.ColorJitter(0.5, hue=0.25)),
            (transforms.RandomErasing(F32(1), value=I(3)), transforms.RandomErasing(1, value=3))):
        np.testing.assert_array_equal(transform(image, key=KEY), same(image, key=KEY))
