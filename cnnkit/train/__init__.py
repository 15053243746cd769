"""Training: `fit` runs the loop, `evaluate` and `predict` use what it learnt, a `History` says how it went."""

from cnnkit.train.evaluate import Scores, evaluate, predict, predict_proba
from cnnkit.train.fit import fit
from cnnkit.train.history import Epoch, History

__all__ = ["Epoch", "History", "Scores", "evaluate", "fit", "predict", "predict_proba"]
