"""A network of most spatial layers gives PyTorch's numbers and gradients, with other imports alone."""

import numpy as np
import pytest

import cnnkit

torch = pytest.importorskip("torch")


def build(nn, F):
    """The network, of one library's modules and functions."""
    class Block(nn.Module):
        """A ConvNeXt block, padded by reflection."""

        def __init__(self, d):
            super().__init__()
            self.dw = nn.Conv2d(d, d, 7, padding=3, groups=d, padding_mode="reflect")
            self.norm = nn.LayerNorm(d, eps=1e-6)
            self.fc1, self.fc2 = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

        def forward(self, x):
            y = self.norm(self.dw(x).permute(0, 2, 3, 1))
            return x + self.fc2(F.gelu(self.fc1(y))).permute(0, 3, 1, 2)

    class Net(nn.Module):
        """A spatial transformer, a body that shrinks and grows again, and a head."""

        def __init__(self):
            super().__init__()
            self.where = nn.Sequential(nn.Conv2d(3, 4, 5), nn.MaxPool2d(2), nn.ReLU(),
                                       nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 6))
            self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.GroupNorm(4, 16), nn.SiLU())
            self.block = Block(16)
            self.down = nn.Sequential(nn.InstanceNorm2d(16, affine=True), nn.Conv2d(16, 32, 2, 2),
                                      nn.BatchNorm2d(32), nn.ReLU())
            self.pool, self.unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
            self.up = nn.Sequential(nn.Conv2d(32, 64, 1), nn.PixelShuffle(2),
                                    nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
            self.transposed = nn.ConvTranspose2d(16, 8, 3, stride=2, padding=1, output_padding=1)
            self.local = nn.LocalResponseNorm(3)
            self.head = nn.Sequential(nn.LPPool2d(2, 2), nn.Flatten(2), nn.RMSNorm(64))

        def forward(self, x):
            grid = F.affine_grid(self.where(x).view(-1, 2, 3), x.size(), align_corners=False)
            a = self.block(self.stem(F.grid_sample(x, grid, align_corners=False)))
            b = self.down(a)
            pooled, indices = self.pool(b)
            c = self.up(b + self.unpool(pooled, indices, output_size=b.size()))
            size = x.size(2), x.size(3)
            resized = F.interpolate(c[:, :8], size=size, mode="bicubic", align_corners=True)
            d = self.local(self.transposed(a)) + resized
            return self.head(d * d + 1e-3)
    return Net()


def test_values_gradients_and_running_statistics_are_pytorchs():
    torch.manual_seed(0)
    theirs = build(torch.nn, torch.nn.functional).double()
    ours = build(cnnkit.nn, cnnkit.functional).double()
    ours.load_state_dict(theirs.state_dict())
    values = np.random.default_rng(0).normal(size=(2, 3, 16, 16))
    t, x = torch.tensor(values, requires_grad=True), cnnkit.tensor(values, requires_grad=True)
    expected, y = theirs(t), ours(x)
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-11)
    (expected ** 3).sum().backward(), (y ** 3).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), rtol=1e-8, atol=1e-9)
    for (name, own), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(own.grad.numpy(), other.grad.numpy(), rtol=1e-7, atol=1e-8, err_msg=name)
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[name].numpy(), value.numpy(), rtol=1e-9, err_msg=name)
    with torch.no_grad(), cnnkit.no_grad():
        np.testing.assert_allclose(ours.eval()(x).numpy(), theirs.eval()(t).numpy(), rtol=1e-9, atol=1e-11)
