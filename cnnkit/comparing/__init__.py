"""`cnnkit.compare`: two backends, or two models, run side by side, and the first place where they part."""

from cnnkit.comparing.comparison import Comparison, Difference
from cnnkit.comparing.lockstep import compare
from cnnkit.comparing.recording import compare_with_run, save_run

__all__ = ["Comparison", "Difference", "compare", "compare_with_run", "save_run"]
