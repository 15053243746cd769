"""cnnkit beside PyTorch, JAX and TensorFlow: ``python -m peers --help``, from the folder asv_benchmarks."""
