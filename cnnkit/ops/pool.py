"""Pooling ops: max, average, adaptive."""
