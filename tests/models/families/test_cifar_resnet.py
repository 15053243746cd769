"""CIFAR's ResNets: shortcuts, depth, and weights that others trained."""

import os
from pathlib import Path

import numpy as np
import pytest
from unallocated import unallocated

import cnnkit
import cnnkit.functional as F
from cnnkit import models, optim, safetensors

WEIGHTS = Path(os.environ.get("CNNKIT_DATA", "")) / "weights"


@pytest.mark.skipif(not (WEIGHTS / "cifar10_resnet20.safetensors").is_file(),
                    reason="CNNKIT_DATA names no folder with weights/cifar10_resnet20.safetensors")
def test_weights_that_others_trained_give_the_stored_scores():
    model = models.cifar_resnet20()
    model.load_state_dict(safetensors.load_file(WEIGHTS / "cifar10_resnet20.safetensors"))
    check = np.load(WEIGHTS / "cifar10_resnet20_check.npz")
    with cnnkit.no_grad():
        scores = model.eval()(cnnkit.tensor(check["x"])).numpy()
    np.testing.assert_allclose(scores, check["logits"], atol=1e-4)


@pytest.mark.parametrize(("name", "depth"), [("cifar_resnet20", 20), ("cifar_resnet32", 32),
                                             ("cifar_resnet44", 44), ("cifar_resnet56", 56),
                                             ("cifar_resnet110", 110)])
def test_the_number_counts_convolutions_and_the_dense_layer(name, depth):
    with unallocated():
        model = getattr(models, name)()
    assert sum(key.endswith("weight") and "bn" not in key for key in model.state_dict()) == depth


def test_option_a_adds_no_parameters_and_option_b_a_convolution():
    with unallocated():
        state = [models.cifar_resnet20(option=option).state_dict() for option in "AB"]
    assert not any("shortcut" in key for key in state[0])
    assert {key for key in state[1] if "shortcut" in key and key.endswith("weight")} == {
        f"layer{n}.0.shortcut.{m}.weight" for n in (2, 3) for m in (0, 1)}
    with pytest.raises(ValueError, match="option='A' or option='B'; got 'C'"):
        models.cifar_resnet20(option="C")


def test_option_a_is_every_second_pixel_between_channels_of_zeros():
    block = models.cifar_resnet20(width_mult=0.125).layer2[0]
    x = np.random.default_rng(0).normal(size=(1, 2, 4, 4)).astype("float32")
    y = block.shortcut(cnnkit.tensor(x)).numpy()
    np.testing.assert_array_equal(y[:, 1:3], x[:, :, ::2, ::2])
    assert not y[:, [0, 3]].any()


def in_pytorch(torch):
    """The same network in PyTorch, with the same names."""
    nn = torch.nn
    relu, pad = nn.functional.relu, nn.functional.pad

    class Block(nn.Module):
        def __init__(self, channels, planes, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(channels, planes, 3, stride, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(planes)
            self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(planes)
            self.stride, self.extra = stride, (planes - channels) // 2

        def forward(self, x):
            out = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
            x = pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, self.extra, self.extra))
            return relu(out + x)

    class ResNet20(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
            for number, (before, after) in enumerate(((16, 16), (16, 32), (32, 64)), 1):
                first = Block(before, after, 1 if number == 1 else 2)
                stage = nn.Sequential(first, Block(after, after, 1), Block(after, after, 1))
                self.add_module(f"layer{number}", stage)
            self.linear = nn.Linear(64, 10)

        def forward(self, x):
            x = self.layer3(self.layer2(self.layer1(relu(self.bn1(self.conv1(x))))))
            return self.linear(x.mean((2, 3)))
    return ResNet20()


@pytest.mark.heavy
def test_twenty_steps_of_training_have_pytorchs_losses():
    torch = pytest.importorskip("torch")
    file = Path(os.environ.get("CNNKIT_DATA", "")) / "mnist.npz"
    if not file.is_file():
        pytest.skip("CNNKIT_DATA names no folder with mnist.npz")
    mnist = np.load(file)
    images = np.pad(mnist["x_train"][:320] / 255, ((0, 0), (2, 2), (2, 2)))[:, None].repeat(3, axis=1)
    labels = mnist["y_train"][:320].astype("int64")
    model, reference = models.cifar_resnet20().double(), in_pytorch(torch).double()
    model.load_state_dict(reference.state_dict())
    settings = {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
    ours = optim.SGD(model.parameters(), **settings)
    theirs = torch.optim.SGD(reference.parameters(), **settings)
    losses = []
    for start in range(0, 320, 16):
        x, y = images[start:start + 16], labels[start:start + 16]
        pair = (F.cross_entropy(model(cnnkit.tensor(x)), cnnkit.tensor(y)),
                torch.nn.functional.cross_entropy(reference(torch.tensor(x)), torch.tensor(y)))
        for optimizer, loss in zip((ours, theirs), pair):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append([loss.item() for loss in pair])
    assert losses[-1][0] < losses[0][0]
    np.testing.assert_allclose(*np.transpose(losses), rtol=0, atol=1e-5)
