"""Trained networks and torchvision's families, as PyTorch exports them, give its numbers or onnxruntime's."""

import io
import os
import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx.helper", reason="needs onnx: pip install 'cnnkit[onnx]'")

import cnnkit
from cnnkit import functional as F
from cnnkit import onnx

WEIGHTS = Path(os.environ.get("CNNKIT_DATA", "nowhere")) / "weights"


@pytest.mark.parametrize("name", ["cifar10_resnet20", "squeezenet1_1_bgr"])
def test_trained_networks_give_the_logits_of_onnxruntime(name):
    if not WEIGHTS.is_dir():
        pytest.skip("needs the folder weights in CNNKIT_DATA")
    stored = np.load(WEIGHTS / f"{name}_check.npz")
    with cnnkit.no_grad():
        logits = onnx.load(WEIGHTS / f"{name}.onnx")(stored["x"]).numpy()
    np.testing.assert_allclose(logits, stored["logits"], rtol=0, atol=1e-4)


def exported(net, x, **options):
    """The bytes that PyTorch's exporter writes; ``plain=True`` keeps batch norm and the names of weights."""
    import torch

    plain = options.pop("plain", False)
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, x, stream, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "n"}},
            opset_version=options.pop("opset", 17), do_constant_folding=not plain, **options,
            training=torch.onnx.TrainingMode.PRESERVE if plain else torch.onnx.TrainingMode.EVAL)
    return stream.getvalue()


@pytest.fixture(scope="module")
def torchvision():
    """The package; where its own ops do not load, they are declared, and no network here needs one."""
    torch = pytest.importorskip("torch")
    try:
        return pytest.importorskip("torchvision")
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision

        torchvision.declared = library  # it lives as long as the package
        return torchvision


FAMILIES = {"alexnet": 224, "vgg11_bn": 224, "resnet18": 64, "resnext50_32x4d": 64, "wide_resnet50_2": 64,
            "squeezenet1_1": 64, "mobilenet_v2": 64, "mobilenet_v3_small": 64, "densenet121": 64,
            "googlenet": 64, "inception_v3": 128, "shufflenet_v2_x0_5": 64, "efficientnet_b0": 64,
            "convnext_tiny": 64, "mnasnet0_5": 64, "regnet_y_400mf": 64, "swin_t": 64}


@pytest.mark.heavy
@pytest.mark.parametrize("name", FAMILIES)
def test_torchvisions_families_give_pytorchs_numbers(name, torchvision):
    import torch

    torch.manual_seed(0)
    options = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    net = torchvision.models.get_model(name, weights=None, **options).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    x = torch.randn(2, 3, FAMILIES[name], FAMILIES[name])
    with torch.no_grad():
        wanted = net(x).numpy()
    for plain in (False, True):
        loaded = onnx.load(exported(net, x, plain=plain))
        with cnnkit.no_grad():
            got = loaded(x.numpy()).numpy()
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-5 * max(1, np.abs(wanted).max()))
    if name in ("resnet18", "vgg11_bn", "mobilenet_v2"):  # all of whose weights PyTorch names in the file
        names = {key for key in net.state_dict() if not key.endswith("num_batches_tracked")}
        assert {*loaded.state_dict()} == names


def small(torch):
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(8, 4, 3, stride=2, groups=2), torch.nn.Hardswish(), torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(), torch.nn.Linear(4, 5))


@pytest.mark.parametrize("training", [False, True])
def test_gradients_of_an_imported_network_are_pytorchs(training):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    net, x, labels = small(torch).eval(), torch.randn(6, 3, 16, 16), torch.arange(6) % 5
    loaded = onnx.load(exported(net, x, plain=True)).train(training)
    net.train(training)
    x.requires_grad_()
    torch.nn.functional.cross_entropy(net(x), labels).backward()
    images = cnnkit.tensor(x.detach().numpy(), requires_grad=True)
    F.cross_entropy(loaded(images), cnnkit.tensor(labels.numpy())).backward()
    np.testing.assert_allclose(images.grad.numpy(), x.grad.numpy(), rtol=1e-3, atol=1e-7)
    wanted = dict(net.named_parameters())
    assert {name for name, _ in loaded.named_parameters()} == wanted.keys()
    for name, parameter in loaded.named_parameters():
        np.testing.assert_allclose(parameter.grad.numpy(), wanted[name].grad.numpy(), rtol=1e-3, atol=1e-6)
    for name, buffer in loaded.named_buffers():
        np.testing.assert_allclose(buffer.numpy(), net.get_buffer(name).numpy(), rtol=1e-5)


@pytest.mark.parametrize("opset", [9, 11, 13, 18])
def test_what_pytorch_writes_in_other_opsets_gives_its_numbers(opset):
    """Shapes that are computed, padding, resizing, slices: what exporters make many small nodes of."""
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = torch.nn.Conv2d(2, 4, 3), torch.nn.GroupNorm(2, 4)
            self.up = torch.nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1)
            self.slope = torch.nn.PReLU(4)

        def forward(self, x):
            y = torch.nn.functional.pad(x, (1, 2, 0, 1), mode="reflect")
            y = self.slope(self.norm(self.conv(y)))
            y = torch.nn.functional.interpolate(self.up(y), scale_factor=2, mode="nearest")
            y = torch.cat([y[:, :2], y[:, 2:].flip(1) if opset > 9 else y[:, 2:]], 1)
            y = y.view(y.size(0), y.size(1), -1).transpose(1, 2)
            return torch.softmax(y.mean(1, keepdim=True).squeeze(1).clamp(-1, 1), -1) * y.shape[1] / 7

    torch.manual_seed(0)
    net, x = Net().eval(), torch.randn(3, 2, 6, 7)
    loaded = onnx.load(exported(net, torch.randn(2, 2, 6, 7), opset=opset))
    np.testing.assert_allclose(loaded(x.numpy()).numpy(), net(x).detach().numpy(), rtol=1e-4, atol=1e-6)
