"""Short trainings with a captured step and without, on small networks, for the tests of capturing."""

import numpy as np
import pytest

import cnnkit
from cnnkit import backends, nn, optim
from cnnkit import functional as F
from cnnkit.capturing import capture

replayed = pytest.mark.skipif(
    not any(table.native for table in backends.get("numpy").serving()),
    reason="no kernel table that can be replayed serves NumPy's arrays here")
IMAGES = (1, 8, 8)


def conv(i=1, o=4, k=3, **settings):
    return nn.Conv2d(i, o, k, padding=k // 2, **settings)


def flat(*layers, out=10, features=64):
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, out))


class Residual(nn.Module):
    """Batch norm, a sum of branches, and weights that are used twice."""

    def __init__(self):
        super().__init__()
        self.first, self.conv = conv(1, 8), conv(8, 8, bias=False)
        self.norm, self.fc = nn.BatchNorm2d(8), nn.Linear(8, 10)

    def forward(self, x):
        x = F.relu(self.first(x))
        x = F.relu(self.norm(self.conv(x)) + x)
        x = F.relu(self.norm(self.conv(x)) + x)
        return self.fc(x.mean(dim=(2, 3)))


NETS = {
    "guide": lambda: flat(conv(), nn.ReLU(), nn.MaxPool2d(2)),
    "two layers": lambda: nn.Sequential(conv(), nn.ReLU(), nn.MaxPool2d(2), conv(4, 8), nn.ReLU(),
                                        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32, 16), nn.ReLU(),
                                        nn.Linear(16, 10)),
    "dropout": lambda: nn.Sequential(conv(), nn.ReLU(), nn.Dropout(0.3), nn.MaxPool2d(2), nn.Flatten(),
                                     nn.Dropout(), nn.Linear(64, 10)),
    "batch norm": lambda: flat(conv(), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(4)),
    "tanh": lambda: flat(conv(), nn.Tanh(), nn.AvgPool2d(2)),
    "leaky": lambda: flat(conv(), nn.LeakyReLU(0.1), nn.AvgPool2d(2), nn.GELU()),
    "norms": lambda: flat(conv(), nn.GroupNorm(2, 4), nn.SiLU(), nn.MaxPool2d(2), nn.LayerNorm([4, 4, 4])),
    "depthwise": lambda: flat(conv(1, 8), nn.ReLU(), conv(8, 8, groups=8), nn.ReLU6(), conv(8, 4, 1),
                              nn.AdaptiveAvgPool2d(4)),
    "channels": lambda: flat(conv(1, 32), nn.ReLU(), conv(32, 32), nn.ReLU(), nn.MaxPool2d(2), features=512),
    "transposed": lambda: flat(conv(), nn.ConvTranspose2d(4, 4, 2, 2), nn.ReLU(), nn.MaxPool2d(4)),
    "residual": Residual,
}


def sgd(model):
    return optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)


def batches(count, size=6, seed=0):
    rng = np.random.default_rng(seed)
    return [(cnnkit.tensor(rng.standard_normal((size, *IMAGES), dtype=np.float32)),
             cnnkit.tensor(rng.integers(0, 10, size))) for _ in range(count)]


def trained(captured, make=NETS["guide"], optimizer=sgd, count=7, data=None, between=None, schedule=None):
    """Losses, gradients and state of a short training; and what was captured."""
    cnnkit.random.seed(3)
    model = make()
    optimizer = optimizer(model)
    scheduler = None if schedule is None else schedule(optimizer)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    run = capture(step, warn=False) if captured else step
    seen = []
    for n, (x, y) in enumerate(data or batches(count)):
        if between is not None:
            between(n, model, optimizer)
        seen.append(run(x, y).numpy().tobytes())
        seen += [p.grad.numpy().tobytes() for p in model.parameters() if p.grad is not None]
        if scheduler is not None:
            scheduler.step()
    seen += [value.numpy().tobytes() for value in model.state_dict().values()]
    seen += [optimizer.state_dict()["param_groups"][0]["lr"], cnnkit.random.get_state()["count"]]
    seen += [value.numpy().tobytes() if isinstance(value, cnnkit.Tensor) else value
             for state in optimizer.state_dict()["state"].values() for value in state.values()]
    return seen, run


def same(**settings):
    """The captured step, after it was seen to give the step's own bits."""
    expected, _ = trained(False, **settings)
    seen, run = trained(True, **settings)
    assert seen == expected
    return run
