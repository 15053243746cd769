"""Loss ops: cross-entropy, negative log-likelihood, mean squared error."""
