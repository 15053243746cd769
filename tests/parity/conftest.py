"""Nothing here is a test: `python -m parity` runs it, and it needs PyTorch."""

collect_ignore_glob = ["*.py"]
