"""The dropout op."""
