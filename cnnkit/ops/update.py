"""Optimizer updates as functions: (parameters, gradients, state) -> new ones."""
