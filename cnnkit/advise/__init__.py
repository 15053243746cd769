"""Is a CNN the right tool for these data? The guide's chapter "When to Use and Avoid CNNs", measured
in seconds.
"""

from cnnkit.advise.advice import Advice, Finding, advise

__all__ = ["Advice", "Finding", "advise"]
