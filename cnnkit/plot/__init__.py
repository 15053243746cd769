"""Figures of matplotlib: curves, filters, feature maps, confusion matrices; and the report's own drawings.

The figures need matplotlib, ``pip install 'cnnkit[plots]'``; `svg` and `pictures` do not.
"""

from cnnkit.plot.figures import confusion, feature_maps, filters, history

__all__ = ["confusion", "feature_maps", "filters", "history"]
