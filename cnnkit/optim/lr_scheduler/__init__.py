"""Learning-rate schedules, as in PyTorch: call ``scheduler.step()`` after ``optimizer.step()``."""

from cnnkit.optim.lr_scheduler.composite import ChainedScheduler, SequentialLR
from cnnkit.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from cnnkit.optim.lr_scheduler.cyclic import CyclicLR
from cnnkit.optim.lr_scheduler.decay import ExponentialLR, PolynomialLR
from cnnkit.optim.lr_scheduler.function import LambdaLR, MultiplicativeLR
from cnnkit.optim.lr_scheduler.one_cycle import OneCycleLR
from cnnkit.optim.lr_scheduler.plateau import ReduceLROnPlateau
from cnnkit.optim.lr_scheduler.scheduler import LRScheduler
from cnnkit.optim.lr_scheduler.steps import MultiStepLR, StepLR
from cnnkit.optim.lr_scheduler.warmup import ConstantLR, LinearLR

_LRScheduler = LRScheduler  # what code of PyTorch before 2.0 derives from

__all__ = ["ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR",
           "ExponentialLR", "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR",
           "OneCycleLR", "PolynomialLR", "ReduceLROnPlateau", "SequentialLR", "StepLR"]
