"""`cnnkit.compare`: it finds a wrong kernel by the layer's name, and blames no kernel that is right."""

import contextlib
import json
from collections import OrderedDict

import numpy as np
import pytest

import cnnkit
from cnnkit import backends, models, nn, ops
from cnnkit.backends import KernelTable
from cnnkit.data import datasets
from cnnkit.ops import OPS
from cnnkit.ops.core import Call
from cnnkit.ops.update import UPDATES

CPU = next(table for table in backends.kernel_tables() if table.name == "cpu").available() is True
DIGITS = datasets.digits(train=True)


@contextlib.contextmanager
def loopback(kernels):
    """A table `loopback` for NumPy arrays, asked before all others."""
    backends.register_table(KernelTable("loopback", "numpy", kernels, priority=20))
    try:
        yield
    finally:
        backends.register_table(remove="loopback")


def chain(gradients=lambda dxs: dxs, output=lambda y: y, only=None):
    """A kernel of chains that runs op by op, and changes what comes out."""
    def kernel(*arrays, needs, calls):
        if only is not None and arrays[1].shape != only:
            return NotImplemented
        calls = [Call(call.op, call.attrs, call.count) for call in calls]
        with backends.tables():
            (y, *rest), backward = ops.compose(calls, arrays, needs)
        return (output(y), *rest), backward and (lambda dy: gradients(backward(dy)))
    return kernel


def single(op, output=lambda y: y, gradients=lambda dxs: dxs):
    def kernel(*arrays, needs, **attrs):
        y, backward = OPS[op].generic(*arrays, needs=needs, **attrs)
        return output(y), backward and (lambda dy: gradients(backward(dy)))
    return kernel


def network():
    cnnkit.manual_seed(0)
    return models.CommonCNN((1, 8, 8))


def normed():
    cnnkit.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 10))


PATTERN = ("conv", "activation?", "pool?")


def test_a_kernel_that_scales_one_gradient_is_found_with_its_layer():
    scaled = chain(lambda dxs: (dxs[0], 1.5 * dxs[1], *dxs[2:]), only=(16, 8, 3, 3))
    with loopback({PATTERN: scaled}):
        result = cnnkit.compare("numpy", "loopback", network(), DIGITS, steps=1)
    parted = result.parted
    assert not result.agree
    assert (parted.step, parted.layer, parted.what) == (
        1, "features.conv2+features.relu2+features.pool2", "gradient of weight")
    assert parted.cause == "wrong kernel"
    assert "loopback" in parted.explanation
    assert parted.values[1] == pytest.approx(1.5 * parted.values[0], rel=1e-4)
    assert "features.conv2+features.relu2+features.pool2, gradient of weight" in str(result)


def test_a_wrong_output_is_found_before_the_gradients_that_follow_from_it():
    def one_wrong(y):
        y[3, 2, 1, 0] += 0.5
        return y
    with loopback({PATTERN: chain(output=one_wrong, only=(8, 1, 3, 3))}):
        parted = cnnkit.compare("numpy", "loopback", network(), DIGITS, steps=1).parted
    assert (parted.what, parted.element, parted.beyond) == ("output", (3, 2, 1, 0), 1)
    assert parted.layer == "features.conv1+features.relu1+features.pool1"


@pytest.mark.heavy
@pytest.mark.parametrize("wrong", ["first", "second"])
def test_whichever_side_is_wrong_is_named(wrong):
    with loopback({"cross_entropy": single("cross_entropy", gradients=lambda dxs: (2 * dxs[0], *dxs[1:]))}):
        sides = ("loopback", "numpy") if wrong == "first" else ("numpy", "loopback")
        parted = cnnkit.compare(*sides, network(), DIGITS, steps=1).parted
    assert (parted.layer, parted.cause) == ("cross_entropy", "wrong kernel")
    assert parted.explanation.startswith("loopback: ")


def test_a_nan_that_a_kernel_makes_is_called_so():
    def poisoned(y):
        y[0, 0] = np.nan
        return y
    with loopback({"linear": single("linear", poisoned)}):
        parted = cnnkit.compare("numpy", "loopback", network(), DIGITS, steps=1).parted
    assert (parted.layer, parted.cause, parted.element) == ("classifier.fc1", "NaN", (0, 0))
    assert "loopback has nan there" in parted.explanation


def test_a_sum_in_sixteen_bits_is_called_so():
    def narrow_sum(dxs):
        dx, dw, db = dxs
        total = np.float16(0)
        return dx, dw, db * np.float16(1.05) + total
    with loopback({"linear": single("linear", gradients=narrow_sum)}):
        parted = cnnkit.compare("numpy", "loopback", network(), DIGITS, steps=1, dtype="float16").parted
    assert (parted.layer, parted.what, parted.cause) == ("classifier.fc2", "gradient of bias", "16-bit sum")


def test_a_wrong_update_is_found_though_all_gradients_agree():
    def twice(params, grads, state, *, workspace, **hyper):
        hyper["lr"] *= 2
        return UPDATES["sgd"].generic(params, grads, state, workspace=workspace, **hyper)
    with loopback({"sgd": twice}):
        parted = cnnkit.compare("numpy", "loopback", network(), DIGITS, steps=1).parted
    assert (parted.layer, parted.what, parted.cause) == ("features.conv1.weight", "update", "wrong kernel")


@pytest.mark.parametrize("optimizer", ["sgd", pytest.param("adam", marks=pytest.mark.heavy)])
def test_right_backends_agree_also_where_a_gradient_is_nothing_but_rounding(optimizer):
    result = cnnkit.compare("numpy", "array-api-strict", normed(), DIGITS, optimizer=optimizer, steps=2)
    assert result.agree, str(result)
    assert result.steps == 2
    # the bias before batch norm: its gradient is 0 but for rounding
    assert {"cancellation"} <= {row.cause for row in result.explained}


def test_the_same_backend_twice_is_equal_to_the_bit():
    result = cnnkit.compare("numpy", "numpy", normed(), DIGITS, ulps=0, steps=2)
    assert result.agree
    assert max(row.most for row in result.rows) == 0
    assert "All numbers are equal to the bit." in str(result)


@pytest.mark.heavy
def test_no_tolerance_finds_the_first_bit_and_says_that_sums_have_another_order():
    parted = cnnkit.compare("numpy", "array-api-strict", normed(), DIGITS, steps=1, ulps=0).parted
    assert parted.cause in ("order of sums", "rounding")
    assert 0 < parted.ulps < 100


@pytest.mark.heavy
@pytest.mark.skipif(not CPU, reason="the kernel table cpu is not available here")
def test_winograds_algorithm_is_named():
    cnnkit.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    x = np.random.default_rng(0).standard_normal((4, 32, 16, 16), np.float32)
    from cnnkit_cpu.choice import algorithm

    with algorithm("winograd4"):
        result = cnnkit.compare("numpy", "cpu", model, (x, np.arange(4)), steps=1, ulps=0)
    assert result.parted.cause == "Winograd"
    assert "winograd_forward of cpu" in result.parted.explanation


@pytest.mark.heavy
def test_every_backend_agrees_with_numpy(backend):
    result = cnnkit.compare("numpy", backend.name if backend.name != "numpy-readonly" else "numpy",
                            network(), DIGITS, steps=2, batch_size=4)
    assert result.agree, str(result)


def test_two_models_part_where_their_weights_do():
    a, b = network(), network()
    with cnnkit.no_grad():
        b.classifier.fc1.bias[3] += 0.25
    result = cnnkit.compare(a, b, data=DIGITS, steps=1)
    parted = result.parted
    assert (parted.step, parted.layer, parted.element) == (0, "classifier.fc1.bias", (3,))
    assert result.parted.cause == "weights"
    outputs = [row for row in result.rows if row.what == "output" and row.beyond]
    assert outputs[0].layer.startswith("classifier.fc1")


def test_calls_are_paired_by_the_code_that_makes_them_and_not_by_the_order_in_which_they_run():
    class TwoHeads(nn.Module):
        """Both results wait when the model returns, and the youngest is computed first."""

        def __init__(self):
            super().__init__()
            self.head = nn.Linear(64, 10)

        def forward(self, x):
            x = x.flatten(1)
            return self.head(x), self.head(2 * x)

    def loss(outputs, target):
        return nn.functional.cross_entropy(outputs[0], target) + nn.functional.cross_entropy(outputs[1],
                                                                                            target)
    with loopback({("linear", "activation"): chain()}):
        result = cnnkit.compare("array-api-strict", "loopback", TwoHeads(), DIGITS, loss=loss, steps=1)
    assert result.agree, str(result)


def test_the_model_stays_as_it_was():
    model = network().eval()
    before = {name: value.tolist() for name, value in model.state_dict().items()}
    cnnkit.compare("numpy", "array-api-strict", model, DIGITS, steps=1)
    assert not model.training
    assert before == {name: value.tolist() for name, value in model.state_dict().items()}
    assert all(p.grad is None for p in model.parameters())
    assert "forward" not in vars(model)


def test_the_result_is_data_for_json():
    kernels = {"linear": single("linear", lambda y: y * np.float32(np.inf))}
    with loopback(kernels), np.errstate(all="ignore"):
        result = cnnkit.compare("numpy", "loopback", network(), DIGITS, steps=1)
    report = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert report["agree"] is False
    assert report["parted"]["layer"] == "classifier.fc1"
    assert report["sides"] == ["numpy", "loopback"]


@pytest.mark.parametrize(("arguments", "message"), [
    (("numpy", "nothing"), "there is no backend 'nothing'"),
    (("numpy", nn.Linear(2, 2)), "two names of backends and a model, or two models")])
def test_mistakes_are_named(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        cnnkit.compare(*arguments, network(), DIGITS)


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match="needs the model"):
        cnnkit.compare("numpy", "numpy", data=DIGITS)
    with pytest.raises(ValueError, match="needs data"):
        cnnkit.compare("numpy", "numpy", network())
    with pytest.raises(ValueError, match="no layer in common"):
        cnnkit.compare(*(nn.Sequential(OrderedDict({f"{name}0": nn.Flatten(), f"{name}1": nn.Linear(64, 10)}))
                         for name in "ab"), data=DIGITS)


def test_nobody_is_blamed_where_an_input_lies_at_a_kink():
    cnnkit.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8, bias=False), nn.ReLU(), nn.Linear(8, 3))
    x = np.random.default_rng(0).standard_normal((40, 6)).astype(np.float32)
    x[7] = 0  # to ReLU, these are 0 on one side, and a little more on the other
    with loopback({"linear": single("linear", lambda y: y + np.float32(1e-9))}):
        result = cnnkit.compare("array-api-strict", "loopback", model, (x, np.arange(40) % 3), batch_size=40,
                                steps=1)
    assert result.agree, str(result)
    kink = next(row for row in result.explained if row.cause == "kink")
    assert (kink.layer, kink.what) == ("1", "gradient of x")
    assert kink.beyond <= 8
    assert "right by what the kernels were given" in str(result)
