"""Using a trained model: `evaluate` measures it on data, `predict` classifies images, `metrics` says more."""

from cnnkit.evaluation import metrics
from cnnkit.evaluation.evaluate import Scores, evaluate, predict, predict_proba

__all__ = ["Scores", "evaluate", "metrics", "predict", "predict_proba"]
