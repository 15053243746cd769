"""Mixed precision on the emulated device, end to end: digits to the accuracy of float32, on tensor cores."""

import pytest

import cnnkit
from cnnkit import amp, backends, nn, optim, random
from cnnkit import functional as F
from cnnkit.data import datasets

EMULATOR = next(row for row in backends.list() if row.name == "emulator")
pytestmark = [pytest.mark.heavy, pytest.mark.skipif(not EMULATOR.available, reason=EMULATOR.reason)]
EPOCHS, BATCH, IMAGES, HELD_OUT = 4, 32, 512, 200


def arrays(train, count):
    """The first digits: images (N, 1, 8, 8) and labels."""
    xs, ys = zip(*(datasets.digits(train=train)[n] for n in range(count)))
    return cnnkit.stack([cnnkit.tensor(x) for x in xs]), cnnkit.tensor([int(y) for y in ys])


def learnt(dtype):
    """The accuracy on held-out digits after a few epochs, the scales of the loss, and the weights' dtypes."""
    random.seed(0)
    with cnnkit.use("emulator"):
        model = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                              nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))
        optimizer, scales = optim.SGD(model.parameters(), lr=0.05, momentum=0.9), []
        scaler = amp.GradScaler("cpu", enabled=dtype == "float16")
        (x, y), (held_x, held_y) = arrays(True, IMAGES), arrays(False, HELD_OUT)
        for _ in range(EPOCHS):
            for start in range(0, IMAGES, BATCH):
                with amp.autocast("cpu", dtype=dtype or "float16", enabled=dtype is not None):
                    loss = F.cross_entropy(model(x[start:start + BATCH]), y[start:start + BATCH])
                optimizer.zero_grad()
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
                scales.append(scaler.get_scale())
        with cnnkit.no_grad(), amp.autocast("cpu", dtype=dtype or "float16", enabled=dtype is not None):
            right = (model(held_x).argmax(1) == held_y).float().mean().item()
        return right, scales, {p.dtype.name for p in model.parameters()}


@pytest.fixture(scope="module")
def plain():
    return learnt(None)[0]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_digits_are_learnt_as_in_float32(dtype, plain, launches):
    accuracy, scales, dtypes = learnt(dtype)
    assert plain > 0.85
    assert accuracy > plain - 0.02
    assert dtypes == {"float32"}
    cuda = {"float16": "__half", "bfloat16": "__nv_bfloat16"}[dtype]
    tensor_cores = [name for name, _ in launches["conv_tensor"] + launches["conv_tensor_weights"]]
    assert any(name.startswith(f"conv2d_tensor<{cuda}") for name in tensor_cores)
    assert any(name.startswith(f"conv2d_tensor_weight_gradient<{cuda}") for name in tensor_cores)
    assert max(scales) == (2.0**16 if dtype == "float16" else 1.0)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")  # of NumPy, where a GPU says nothing
def test_a_gradient_that_overflows_leaves_the_weights_and_halves_the_scale():
    with cnnkit.use("emulator"):
        layer = nn.Linear(4, 2)
        before = layer.weight.numpy().copy()
        optimizer, scaler = optim.SGD(layer.parameters(), lr=0.1), amp.GradScaler("cpu", init_scale=2.0**16)
        with amp.autocast("cpu", dtype="float16"):
            loss = (layer(cnnkit.ones(3, 4)) * 100).sum()
        scaler.scale(loss).backward()  # 100 * 2**16 is beyond float16
        scaler.step(optimizer)
        scaler.update()
        assert (layer.weight.numpy() == before).all()
        assert scaler.get_scale() == 2.0**15
