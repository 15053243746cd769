"""Training: `fit` runs the loop, `evaluate` and `predict` use what it learnt, a `History` says how it went."""

from cnnkit.train import callbacks, metrics
from cnnkit.train.checkpoints import CheckpointError
from cnnkit.train.evaluate import Scores, evaluate, predict, predict_proba
from cnnkit.train.fit import fit
from cnnkit.train.history import Epoch, History
from cnnkit.train.run import Run

__all__ = ["CheckpointError", "Epoch", "History", "Run", "Scores", "callbacks", "evaluate", "fit", "metrics", "predict",
           "predict_proba"]
