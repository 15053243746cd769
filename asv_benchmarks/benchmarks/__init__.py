"""Benchmarks that asv runs over the project's history: ``asv run`` in the folder above."""
