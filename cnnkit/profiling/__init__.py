"""`cnnkit.profile`: where the time of a block of code goes, by op and kernel, and its memory."""

from cnnkit.profiling.averages import Average, KeyAverages
from cnnkit.profiling.profiler import Profile, profile

__all__ = ["Average", "KeyAverages", "Profile", "profile"]
