"""The batch normalisation op."""
