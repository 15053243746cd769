"""The advice: for each bullet of the guide what was measured, and what follows from it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cnnkit.advise.pictures import neighbours, objects
from cnnkit.advise.trials import Trials, run
from cnnkit.data.balance import ClassBalance, class_balance
from cnnkit.data.contracts import IndexedDataset
from cnnkit.data.split import random_split

__all__ = ["Advice", "Finding", "advise"]

LEAST = 0.01     # a smaller difference of accuracies is of no use, however sure
# neighbours that agree by so much have a structure, even where short runs cannot make much of it
SMOOTH = 0.25
HELD_OUT = 2000  # images to measure on, at most: that is quick
SEQUENCE = 0.3   # neighbours agree along one axis by so much more than along the other
FEW = 100        # images of a class below which the guide's "limited training data" begins
UNEVEN = 3.0     # samples of the largest class for each of the smallest's
SCALES = 2.0     # the larger objects (90 %) to the smaller (10 %)
GAP = 0.1        # training accuracy above held-out accuracy
UNSTEADY = 0.05  # difference of the accuracies of two seeds
SLOWER = 1.5     # times as slow as an MLP

HIERARCHIES, LIMITED = "Your data has spatial hierarchies", "You have limited training data"
SEQUENTIAL = "The task is better suited for sequence models"


@dataclass(frozen=True)
class Finding:
    """One bullet of the guide: its chapter and words, the evidence, and the verdict.

    `verdict` is ``"yes"``, ``"no"`` or ``"unclear"``: whether what the bullet says is so for these data.
    """

    chapter: str
    bullet: str
    evidence: str
    verdict: str
    advice: str


@dataclass(frozen=True)
class Advice:
    """What `advise` found.

    Attributes
    ----------
    use : bool
        Whether to use a CNN.
    summary : str
        Why, in a sentence.
    findings : list of Finding
        One for each bullet.
    trials : Trials
        The accuracies behind them.
    balance : ClassBalance
    images : int
        How many images were learnt from, and `held_out` measured on.
    """

    use: bool
    summary: str
    findings: list[Finding]
    trials: Trials
    balance: ClassBalance
    images: int
    held_out: int

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        trials = {name: value for name, value in vars(self.trials).items() if name != "right"}
        return {"use": self.use, "summary": self.summary, "images": self.images, "held_out": self.held_out,
                "findings": [asdict(finding) for finding in self.findings], "trials": trials,
                "balance": self.balance.as_dict()}


def advise(dataset: IndexedDataset, *, images: int = 1500, updates: int = 400,
           seeds: tuple[int, ...] = (0, 1)) -> Advice:
    """Measure whether a CNN suits some data.

    Parameters
    ----------
    dataset : Dataset
        Images with integer labels.
    images : int
        Learn from so many of them at most, a stratified sample; what is left, at least a quarter of the data
        and at most 2,000 images, is measured on.
    updates : int
        Of each short training run, with batches of 32.
    seeds : tuple of int
        Each network is trained once with each.

    Raises
    ------
    ValueError
        If there are fewer than two classes, or fewer than 8 images.

    >>> from cnnkit.data import datasets
    >>> advice = advise(datasets.digits(), images=600, updates=60, seeds=(0,))
    >>> [finding.verdict for finding in advice.findings if finding.bullet.startswith("You have limited")]
    ['no']
    """
    balance = class_balance(dataset)
    if np.count_nonzero(balance.counts) < 2:
        raise ValueError("the data have one class only: there is nothing to tell apart")
    n = len(dataset)
    if n < 8:
        raise ValueError(f"there are {n} images: at least 8 are needed to measure anything")
    learnt = min(images, n - n // 4)
    held = min(HELD_OUT, n - learnt)
    sample = random_split(dataset, [learnt, held, n - learnt - held], 0, stratify=True)[:2]
    (x, y), (x2, y2) = (part.batch(range(len(part))) for part in sample)
    raw, mean, std = x, x.mean(axis=(0, 2, 3), keepdims=True), x.std(axis=(0, 2, 3), keepdims=True)
    x, x2 = (((part - mean) / np.where(std > 0, std, 1)).astype(np.float32) for part in (x, x2))
    trials = run((x, y), (x2, y2), len(balance.counts), updates, seeds)
    findings = [*_use_when(trials, raw), *_avoid_when(trials, raw, balance),
                *_failures(trials, raw, balance, learnt)]
    return Advice(*_verdict(trials, findings), findings, trials, balance, learnt, held)


def _verdict(trials: Trials, findings: list[Finding]) -> tuple[bool, str]:
    verdicts = {finding.bullet: finding.verdict for finding in findings}
    better = _compare(trials, "mlp", "cnn") == "yes"
    if verdicts[HIERARCHIES] == "yes" and not better:
        remedies = "; with the guide's remedies for few images: augmentation, dropout, a pretrained network"
        return True, ("use a CNN: what lies beside what matters in these images"
                      + (remedies if verdicts[LIMITED] == "yes" else ""))
    if better:
        why = "an MLP of its size is better"
    elif verdicts[HIERARCHIES] == "no":
        why = ("it does as well when the pixels are shuffled, "
               "so a network without convolutions is the simpler choice")
    else:
        why = ("it is no better than on shuffled pixels, as far as these images tell; "
               "measure with more (--images, --updates)")
    return False, f"avoid a CNN: {why}" + ("; try a sequence model" if verdicts[SEQUENTIAL] == "yes" else "")


def _compare(trials: Trials, better: str, worse: str) -> str:
    """Whether one network is right more often than another on the same images: "yes", "no", or "unclear".

    By more than two standard errors of the mean difference, image by image, and by `LEAST` at least.
    """
    difference = trials.right[better] - trials.right[worse]
    margin = max(LEAST, 2 * float(difference.std()) / math.sqrt(len(difference)))
    return "yes" if difference.mean() > margin else "no" if difference.mean() < margin / 2 else "unclear"


def _smooth(images: np.ndarray) -> tuple[float, str]:
    """How neighbours agree where they agree most, and both directions in words."""
    found = {"vertical": neighbours(images, 2), "horizontal": neighbours(images, 3)}
    shown = ", ".join(f"{name} {'none' if value is None else f'{value:.2f}'}"
                      for name, value in found.items())
    return (max(abs(value) for value in (*found.values(), 0.0) if value is not None),
            f"correlation of neighbours: {shown}")


def _structure(trials: Trials, images: np.ndarray) -> str:
    """Whether neighbouring pixels belong together."""
    learnt = _compare(trials, "cnn", "cnn permuted")
    smooth = _smooth(images)[0] > SMOOTH and trials.accuracy["cnn"] > trials.accuracy["cnn permuted"]
    return "yes" if learnt == "unclear" and smooth else learnt


def _use_when(trials: Trials, images: np.ndarray) -> list[Finding]:
    a, chapter = trials.accuracy, "Use CNNs when"
    hierarchy, extraction = _structure(trials, images), _compare(trials, "cnn", "linear")
    centres = objects(images)[1]
    spread = float(np.hypot(*centres.std(axis=0))) if len(centres) > 1 else 0.0
    fall, fall_mlp = a["cnn"] - a["cnn shifted"], a["mlp"] - a["mlp shifted"]
    invariance = "no" if not trials.shift or hierarchy == "no" else _compare(trials,
                                                                             "cnn shifted", "mlp shifted")
    return [
        Finding(chapter, HIERARCHIES,
                f"CNN {a['cnn']:.3f}; on permuted pixels {a['cnn permuted']:.3f}; "
                f"MLP of its size {a['mlp']:.3f}", hierarchy,
                {"yes": "neighbouring pixels belong together: convolve",
                 "no": "places of pixels do not matter: convolution has nothing to find",
                 "unclear": "measure with more images and updates"}[hierarchy]),
        Finding(chapter, "You need translation invariance",
                f"centres vary by {spread:.0%} of the image; "
                f"moved by {trials.shift} px the CNN keeps {a['cnn shifted']:.3f} "
                f"(-{fall:.3f}), the MLP {a['mlp shifted']:.3f} (-{fall_mlp:.3f})", invariance,
                {"yes": "the CNN keeps more: use it, with pooling", "no": "a CNN gains nothing by it here",
                 "unclear": "learn from shifted images (crop) if objects will lie elsewhere"}[invariance]),
        Finding(chapter, "The task requires feature extraction from raw data",
                f"CNN {a['cnn']:.3f}; linear model of the pixels {a['linear']:.3f}", extraction,
                {"yes": "raw pixels do not suffice: learn features",
                 "no": "a linear model of the pixels is as good",
                 "unclear": "a linear model is close: start with it"}[extraction]),
    ]


def _avoid_when(trials: Trials, images: np.ndarray, balance: ClassBalance) -> list[Finding]:
    a, chapter = trials.accuracy, "Avoid CNNs when"
    unstructured = {"yes": "no", "no": "yes", "unclear": "unclear"}[_structure(trials, images)]
    smallest, total = int(balance.counts[balance.counts > 0].min()), int(balance.counts.sum())
    limited = "yes" if smallest < FEW else "no"
    down, right = neighbours(images, 2), neighbours(images, 3)
    alone = (down is None) != (right is None)
    sequence = ("yes" if alone
                or (down is not None and right is not None and abs(down - right) > SEQUENCE) else "no")
    shown = _smooth(images)[1]
    return [
        Finding(chapter, "Your data is not spatially structured",
                f"{shown}; permuting the pixels costs the CNN "
                f"{a['cnn'] - a['cnn permuted']:.3f}", unstructured,
                {"yes": "use an MLP, trees or a linear model", "no": "it is structured",
                 "unclear": "measure with more images and updates"}[unstructured]),
        Finding(chapter, LIMITED,
                f"{smallest:,} images of the smallest class, "
                f"{total:,} in all for {trials.parameters['cnn']:,} parameters; "
                f"from half of the sample {a['cnn half']:.3f}, from all {a['cnn']:.3f}", limited,
                ("augment, use dropout and L2, or a pretrained network"
                 if limited == "yes" else "enough to learn from")
                + ("; more images still help" if _compare(trials, "cnn", "cnn half") == "yes" else "")),
        Finding(chapter, SEQUENTIAL, shown, sequence,
                "it varies along one axis only: try an RNN or a 1-d model"
                if sequence == "yes" else "both axes matter, or neither"),
    ]


def _failures(trials: Trials, images: np.ndarray, balance: ClassBalance, learnt: int) -> list[Finding]:
    chapter, a, rate = "Where CNNs fail", trials.accuracy, trials.images_per_second
    sizes, _ = objects(images)
    low, high = np.quantile(sizes, [0.1, 0.9]) if len(sizes) else (1.0, 1.0)
    ratio, slower = float(high / low), rate["mlp"] / rate["cnn"]
    overfitted, scaled, unsteady = trials.training - a["cnn"] > GAP, ratio > SCALES, trials.spread > UNSTEADY
    uneven = balance.imbalance_ratio > UNEVEN

    def finding(bullet: str, evidence: str, so: bool, advice: str, otherwise: str) -> Finding:
        return Finding(chapter, bullet, evidence, "yes" if so else "no", advice if so else otherwise)

    return [
        finding("Overfitting on small datasets",
                f"accuracy {trials.training:.3f} on the {learnt:,} images learnt from, {a['cnn']:.3f} on "
                "others", overfitted, "augmentation, dropout, L2", "no more than is usual"),
        finding("Not recognizing objects at different scales",
                f"90 % to 10 % of the objects' sizes: {ratio:.2f}", scaled,
                "learn from resized crops, or use a multi-scale architecture", "objects are of one scale"),
        finding("Ignoring important features due to incorrect filter initialization",
                f"accuracy differs by {trials.spread:.3f} between seeds", unsteady,
                "train longer, or with several seeds", "Kaiming's initialization serves"),
        finding("Computational cost",
                f"CNN {rate['cnn']:,.0f} images/s of training, "
                f"MLP of its size {rate['mlp']:,.0f}: {slower:.1f} times",
                slower > SLOWER,
                "fewer filters, larger strides, or a faster backend (cnnkit bench)", "no more than an MLP's"),
        finding("Classes of uneven size (beside the guide)", f"{balance.imbalance_ratio:.3g} to 1; "
                f"as good as {balance.effective_classes:.1f} of {len(balance.counts)} classes of equal size",
                uneven, "class_weight='balanced', or a WeightedRandomSampler", "nothing to do"),
    ]
