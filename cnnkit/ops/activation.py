"""Activation ops: relu, leaky relu, sigmoid, tanh, softmax, log-softmax."""
