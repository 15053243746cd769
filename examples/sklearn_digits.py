"""How good the estimators' defaults are, beside scikit-learn's: test accuracy on two sets of 8x8 digits.

    python examples/sklearn_digits.py
"""

from __future__ import annotations

import sys
import time

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cnnkit.data import datasets
from cnnkit.sklearn import CNNClassifier

SEEDS = (0, 1, 2)


def main(**settings: int) -> None:
    """Print a row for each set of digits and classifier; `settings` are parameters of `CNNClassifier`."""
    digits = load_digits()
    quarter = train_test_split(digits.data, digits.target, stratify=digits.target, random_state=0)
    splits = {"load_digits, a quarter held out": quarter,
              "cnnkit's digits, its own test part": cnnkit_digits()}
    classifiers = {
        "CNNClassifier": lambda seed: CNNClassifier(image_shape=(8, 8), random_state=seed, **settings),
        "CNNClassifier, rows as they are": lambda seed: CNNClassifier(random_state=seed, **settings),
        "StandardScaler, MLPClassifier(max_iter=500)": lambda seed: make_pipeline(
            StandardScaler(), MLPClassifier(max_iter=500, random_state=seed)),
        "StandardScaler, LogisticRegression(max_iter=500)": lambda seed: make_pipeline(
            StandardScaler(), LogisticRegression(max_iter=500))}
    for name, (X, X_test, y, y_test) in splits.items():
        print(f"{name}: {len(X)} images to learn, {len(X_test)} to test")
        for kind, make in classifiers.items():
            start = time.process_time()
            scores = [make(seed).fit(X, y).score(X_test, y_test) for seed in SEEDS]
            print(f"  {kind:50} {' '.join(f'{score:.4f}' for score in scores)}  mean {np.mean(scores):.4f}  "
                  f"({(time.process_time() - start) / len(SEEDS):.1f} s of CPU time a fit)")


def cnnkit_digits() -> list[np.ndarray]:
    """The digits that come with cnnkit, in its split: images and labels, each for training and test."""
    parts = [datasets.digits(train=True), datasets.digits(train=False)]
    images = [np.asarray(part.batch(range(len(part)))[0]).reshape(len(part), -1) for part in parts]
    return [*images, *(np.asarray(part.targets) for part in parts)]


if __name__ == "__main__":
    main(**{name: int(value) for name, _, value in (word.partition("=") for word in sys.argv[1:])})
