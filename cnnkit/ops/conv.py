"""The convolution op."""
