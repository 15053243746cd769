"""Training: `fit` runs the loop, a `History` says how it went; `evaluate`, `predict` use what it learnt."""

from cnnkit.evaluation import Scores, contracts, evaluate, metrics, predict, predict_outputs, predict_proba
from cnnkit.train import callbacks
from cnnkit.train.checkpoints import CheckpointError
from cnnkit.train.fit import fit
from cnnkit.train.history import Epoch, History
from cnnkit.train.run import Run

__all__ = ["CheckpointError", "Epoch", "History", "Run", "Scores", "callbacks", "contracts", "evaluate",
           "fit", "metrics", "predict", "predict_outputs", "predict_proba"]
