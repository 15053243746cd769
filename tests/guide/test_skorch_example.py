"""The guide's skorch listing ("Alternative: Scikit-Learn Compatible CNN") with only its imports changed, run
as it stands.
"""

import gzip
import os
import struct

import numpy as np
import pytest

pytest.importorskip("sklearn.base", reason="needs scikit-learn: pip install 'cnnkit[sklearn]'")

from cnnkit import random
from cnnkit.data import datasets as cnnkit_datasets

IMPORTS = """
from cnnkit.sklearn import NeuralNetClassifier
import cnnkit.nn as nn
import cnnkit.functional as F
import cnnkit.optim as optim
from cnnkit.data import datasets, transforms
from cnnkit.data import DataLoader
"""

# The guide's listing after its imports, character by character.
LISTING = """
# Define a simple CNN using PyTorch
class CNN(nn.Module):
    def __init__(self):
        super(CNN, self).__init__()
        self.conv1 = nn.Conv2d(1, 8, kernel_size=3, stride=1, padding=1)
        self.pool = nn.MaxPool2d(kernel_size=2, stride=2)
        self.fc1 = nn.Linear(8 * 14 * 14, 10) # Assuming 28x28 input images

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = x.view(-1, 8 * 14 * 14) # Flatten
        x = self.fc1(x)
        return F.log_softmax(x, dim=1)

# Wrap in a Scikit-Learn-like classifier
cnn = NeuralNetClassifier(
    CNN,
    criterion=nn.CrossEntropyLoss,
    optimizer=optim.Adam,
    max_epochs=10,
    lr=0.001,
)

# Train on MNIST dataset
mnist = datasets.MNIST(root='./data', train=True, transform=transforms.ToTensor(), )
cnn.fit(DataLoader(mnist, batch_size=32), mnist.targets)
"""


def write_idx(path, array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes(), mtime=0))


def test_it_runs_with_only_its_imports_changed(tmp_path, monkeypatch, capsys):
    """On files in MNIST's form, made of the digits that cnnkit ships: its ten epochs on all of MNIST would
    take minutes.
    """
    small = cnnkit_datasets.digits()
    count = 640
    images = np.zeros((count, 28, 28), "uint8")
    images[:, 2:26, 2:26] = np.kron(np.rint(np.asarray(small.data)[:count, 0] * 255), np.ones((3, 3)))
    folder = tmp_path / "data" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    write_idx(folder / "train-images-idx3-ubyte.gz", images)
    write_idx(folder / "train-labels-idx1-ubyte.gz", np.asarray(small.targets[:count]).astype("uint8"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CNNKIT_DATA", raising=False)
    random.seed(0)
    names = {}
    exec(compile(IMPORTS + LISTING, "guide", "exec"), names)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == [f"Epoch {n}" for n in range(1, 11)]
    cnn, mnist = names["cnn"], names["mnist"]
    assert len(cnn.history) == 10
    assert cnn.classes_.tolist() == list(range(10))
    assert cnn.score(mnist, mnist.targets) > 0.9
    np.testing.assert_allclose(cnn.predict_proba(mnist).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.skipif(not os.environ.get("CNNKIT_DATA"),
                    reason="MNIST: set CNNKIT_DATA to a folder that has it")
def test_on_mnist_itself_an_epoch_of_it_reads_nine_digits_of_ten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random.seed(0)
    names = {}
    exec(compile(IMPORTS + LISTING.replace("max_epochs=10", "max_epochs=1, verbose=0"), "guide", "exec"),
         names)
    test = cnnkit_datasets.MNIST(root="./data", train=False, transform=names["transforms"].ToTensor())
    assert names["cnn"].score(test, test.targets) > 0.95
