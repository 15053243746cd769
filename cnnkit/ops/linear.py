"""The linear (dense) op."""
