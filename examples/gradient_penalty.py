"""A Wasserstein GAN with a gradient penalty (Gulrajani et al. 2017) on the bundled digits, under a minute.

    python examples/gradient_penalty.py [--steps 300] [--out digits.npy]

The critic's loss holds the norm of its own gradient, so training differentiates a gradient
(``create_graph=True``). Printed are the critic's estimate of the distance between drawn and real digits,
which should sink, and the norm of its gradient between them, which the penalty holds near 1.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import cnnkit
from cnnkit import Tensor, nn, optim, random, tensor
from cnnkit import functional as F
from cnnkit.autograd import grad
from cnnkit.data import datasets

LATENT, BATCH, PENALTY = 16, 64, 10.0


class Generator(nn.Module):
    """Digits of 8 x 8 from a vector of normal numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Linear(LATENT, 32 * 2 * 2)
        self.up1 = nn.ConvTranspose2d(32, 32, 4, stride=2, padding=1)
        self.up2 = nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        x = F.relu(self.start(z)).view(-1, 32, 2, 2)
        return F.sigmoid(self.up2(F.relu(self.up1(x), inplace=True)))


class Critic(nn.Module):
    """One number for each image: larger for real ones."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(32, 32, 3, stride=2, padding=1)
        self.end = nn.Linear(32 * 2 * 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.conv2(F.leaky_relu(self.conv1(x), 0.2)), 0.2)
        return self.end(x.flatten(1)).view(-1)


def noise(count: int) -> Tensor:
    """What the generator begins with."""
    return tensor(np.zeros((count, LATENT), np.float32)).normal_()


def gradient_norms(critic: nn.Module, real: Tensor, drawn: Tensor, create_graph: bool = True) -> Tensor:
    """The norm of the critic's gradient at a point between each real image and a drawn one."""
    share = tensor(np.zeros((len(real), 1, 1, 1), np.float32)).uniform_()
    between = (real * share + drawn * (1 - share)).detach().requires_grad_()
    slope, = grad(critic(between).sum(), between, create_graph=create_graph)
    return (slope * slope).sum(dim=(1, 2, 3)).sqrt()


def train(images: np.ndarray, steps: int) -> tuple[Generator, list[tuple[float, float]]]:
    """The generator after so many steps, and the distance and the mean norm at each of them."""
    generator, critic = Generator(), Critic()
    optimizers = [optim.Adam(net.parameters(), lr=1e-3, betas=(0.5, 0.9)) for net in (generator, critic)]
    rng, measured = np.random.default_rng(0), []
    for _ in range(steps):
        for _ in range(3):
            real = tensor(images[rng.integers(len(images), size=BATCH)])
            with cnnkit.no_grad():
                drawn = generator(noise(BATCH))
            norms = gradient_norms(critic, real, drawn)
            distance = critic(real).mean() - critic(drawn).mean()
            loss = PENALTY * ((norms - 1) ** 2).mean() - distance
            critic.zero_grad()
            loss.backward()
            optimizers[1].step()
        generator.zero_grad()
        (-critic(generator(noise(BATCH))).mean()).backward()
        optimizers[0].step()
        measured.append((distance.item(), norms.mean().item()))
    return generator, measured


def main(arguments: list[str] | None = None) -> None:
    """Train, print what was measured, and draw some digits."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300, help="of the generator; the critic takes three")
    parser.add_argument("--out", type=Path, help="a file for 64 drawn digits, as a NumPy array")
    options = parser.parse_args(arguments)
    random.seed(0)
    generator, measured = train(digits(), options.steps)
    print("step  distance  norm of the critic's gradient")
    every = max(options.steps // 5, 1)
    for step in sorted({0, *range(every - 1, options.steps, every)}):
        print(f"{step + 1:4}  {measured[step][0]:8.3f}  {measured[step][1]:.3f}")
    if options.out is not None:
        with cnnkit.no_grad():
            np.save(options.out, generator(noise(64)).numpy())


def digits() -> np.ndarray:
    """The images, (N, 1, 8, 8), between 0 and 1."""
    data = datasets.digits()
    return np.stack([np.asarray(data[n][0], np.float32) for n in range(len(data))]).reshape(-1, 1, 8, 8)


if __name__ == "__main__":
    main()
