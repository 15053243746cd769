"""Networks in an importable module: worker processes unpickle estimators by name."""

import cnnkit.functional as F
from cnnkit import nn


class Net(nn.Module):
    """Scores of ten classes, from images or from rows of 64."""

    def __init__(self, hidden=32, dropout=0.0, outputs=10):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(64, hidden), nn.Linear(hidden, outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        return self.fc2(self.dropout(F.relu(self.fc1(x.reshape(x.shape[0], -1)))))


class Probabilities(Net):
    """`Net` with a softmax at its end."""

    def forward(self, x):
        return F.softmax(super().forward(x), dim=1)
