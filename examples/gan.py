"""A generative adversarial network: new digits of 8 x 8 pixels out of noise (DCGAN, Radford et al. 2016).

    python examples/gan.py [--save pictures.png]

Two networks learn against each other, so the loop is written out. How well it works is measured by a
classifier of real digits: how sure it is of the new ones, beside noise, and how many of the ten it sees.
"""

from __future__ import annotations

import numpy as np
import shapes
from multilabel import binary_cross_entropy

import cnnkit
from cnnkit import models, nn, optim, random, train
from cnnkit.data import DataLoader, datasets, save_image

NOISE = 16  # numbers that a digit is made of


def generator() -> nn.Sequential:
    """From noise (N, NOISE, 1, 1) to images (N, 1, 8, 8)."""
    return nn.Sequential(
        nn.ConvTranspose2d(NOISE, 64, 2), nn.BatchNorm2d(64), nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1), nn.Sigmoid())


def discriminator() -> nn.Sequential:
    """From images to scores (N, 1): above 0 for real ones."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
        nn.Conv2d(32, 64, 4, stride=2, padding=1), nn.BatchNorm2d(64), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(256, 1))


def learn(make: nn.Module, judge: nn.Module, loader: DataLoader, epochs: int) -> None:
    """Train both: the judge to tell real images from made ones, the maker to deceive it."""
    makers = optim.Adam(make.parameters(), lr=0.002, betas=(0.5, 0.999))
    judges = optim.Adam(judge.parameters(), lr=0.001, betas=(0.5, 0.999))
    for _ in range(epochs):
        for images, _ in loader:
            real, made = judge(images), make(cnnkit.randn(len(images), NOISE, 1, 1))
            judges.zero_grad()
            loss = (binary_cross_entropy(real, cnnkit.ones_like(real))
                    + binary_cross_entropy(judge(made.detach()), cnnkit.zeros_like(real)))
            loss.backward()
            judges.step()
            makers.zero_grad()
            opinion = judge(made)
            binary_cross_entropy(opinion, cnnkit.ones_like(opinion)).backward()
            makers.step()


def certainty(classifier: nn.Module, images: np.ndarray) -> tuple[float, int]:
    """The mean probability of the most probable digit, and how many digits a twentieth or more seem to be."""
    with cnnkit.no_grad():
        scores = classifier.eval()(cnnkit.tensor(images)).numpy()
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    digits = np.bincount(scores.argmax(axis=1), minlength=10)
    return float((1 / odds.sum(axis=1)).mean()), int((digits >= len(images) / 20).sum())


def main(arguments: list[str] | None = None) -> None:
    """Train, print how good the new digits are, and write some."""
    parser = shapes.options(__doc__, epochs=60)
    parser.add_argument("--save", help="a file for 64 new digits")
    options = parser.parse_args(arguments)
    digits, held_out = datasets.digits(train=True), datasets.digits(train=False)
    random.seed(options.seed)
    classifier = models.CommonCNN((1, 8, 8))
    train.fit(classifier, digits, epochs=10, seed=options.seed, progress=False)
    make, judge = generator(), discriminator()
    part = cnnkit.data.Subset(digits, range(min(options.images, len(digits))))
    learn(make, judge, DataLoader(part, batch_size=64, shuffle=True, seed=options.seed, drop_last=True),
          options.epochs)
    with cnnkit.no_grad():
        made = make.eval()(cnnkit.randn(400, NOISE, 1, 1)).numpy()
    noise = np.random.default_rng(options.seed).random(made.shape, "float32")
    for name, images in (("real", held_out.batch(range(len(held_out)))[0]), ("made", made), ("noise", noise)):
        sure, seen = certainty(classifier, images)
        print(f"{name}: the classifier is {sure:.3f} sure, and sees {seen} of 10 digits")
    if options.save:
        save_image(made[:64], options.save)


if __name__ == "__main__":
    main()
