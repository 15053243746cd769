"""A user's program under ``mypy --strict``: each public name may be used, and what it gives has a type."""

import subprocess
import sys

import pytest

import cnnkit

pytest.importorskip("mypy")
pytestmark = pytest.mark.heavy

PROGRAM = """
import numpy as np

import cnnkit
from cnnkit import Tensor, functional as F, models, nn, no_grad, optim, tensor, train
from cnnkit.data import ArrayDataset, DataLoader, datasets


class Net(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, kernel_size=3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(8 * 4 * 4, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.conv(x)))
        scores: Tensor = self.fc(x.flatten(1))  # a module's call gives Any, as PyTorch's
        return scores


def step(model: nn.Module, optimizer: optim.Optimizer, x: Tensor, y: Tensor) -> float:
    optimizer.zero_grad()
    loss: Tensor = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return float(loss.item())


def main() -> None:
    cnnkit.random.seed(0)
    model = Net()
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    images, labels = np.zeros((8, 1, 8, 8), np.float32), np.zeros(8, np.int64)
    for x, y in DataLoader(ArrayDataset(images, labels), batch_size=4, shuffle=True):
        step(model, optimizer, x, y)
    with no_grad():
        print(model(tensor(images)).argmax(1).numpy(), cnnkit.explain(model, tensor(images)))
    history = train.fit(models.CommonCNN((1, 8, 8)), datasets.digits(), epochs=1, progress=False)
    print(history[-1].loss, cnnkit.summary(model, (1, 8, 8)))
"""


@pytest.fixture(scope="module")
def strictly(tmp_path_factory):
    """What mypy says of a program, without what it says of cnnkit's own files."""
    folder = tmp_path_factory.mktemp("program")

    def check(text):
        path = folder / "program.py"
        path.write_text(text)
        command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=",
                   f"--cache-dir={folder / 'cache'}", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stdout + done.stderr
        return [line for line in done.stdout.splitlines() if "error:" in line]
    return check


def test_a_program_as_users_write_it_has_no_error(strictly):
    assert strictly(PROGRAM) == []


def test_each_public_name_may_be_used(strictly):
    names = [name for name in cnnkit.__all__ if name not in ("onnx", "sklearn")]
    lines = [f"print(cnnkit.{name})" for name in names] + [
        f"print({package}.{name})" for package in ("nn", "F", "optim", "train", "data")
        for name in {"F": cnnkit.functional}.get(package, getattr(cnnkit, package, None)).__all__]
    assert strictly("\n".join(["import cnnkit", "from cnnkit import data, nn, optim, train",
                               "from cnnkit import functional as F", *lines])) == []


def test_a_mistake_is_found(strictly):  # or the tests above show nothing
    assert len(strictly("import cnnkit\nx: int = cnnkit.tensor([1.0])\n")) == 1
