"""Using a trained model: `evaluate` measures it on data, `predict` classifies images, `metrics` says more."""

from cnnkit.evaluation import contracts, metrics
from cnnkit.evaluation.evaluate import Scores, evaluate, predict, predict_outputs, predict_proba

__all__ = ["Scores", "contracts", "evaluate", "metrics", "predict", "predict_outputs", "predict_proba"]
