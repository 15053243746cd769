"""Callbacks: small classes whose methods are called while a run goes on."""

from cnnkit.train.callbacks.callback import Callback
from cnnkit.train.callbacks.checkpoint import Checkpoint
from cnnkit.train.callbacks.csv_logger import CSVLogger
from cnnkit.train.callbacks.diagnose import Diagnose
from cnnkit.train.callbacks.early_stopping import EarlyStopping
from cnnkit.train.callbacks.json_lines_logger import JSONLinesLogger
from cnnkit.train.callbacks.learning_rate_monitor import LearningRateMonitor
from cnnkit.train.callbacks.mlflow import MLflow
from cnnkit.train.callbacks.stop_on_nan import StopOnNaN
from cnnkit.train.callbacks.tensor_board import TensorBoard
from cnnkit.train.callbacks.time_limit import TimeLimit
from cnnkit.train.callbacks.wandb import Wandb

__all__ = ["CSVLogger", "Callback", "Checkpoint", "Diagnose", "EarlyStopping", "JSONLinesLogger",
           "LearningRateMonitor", "MLflow", "StopOnNaN", "TensorBoard", "TimeLimit", "Wandb"]
