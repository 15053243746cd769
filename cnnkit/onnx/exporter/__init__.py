"""Writing ONNX: a model called on the ONNX backend's lazy arrays is the graph; see `export`."""

from cnnkit.onnx.exporter.exporting import export

__all__ = ["export"]
