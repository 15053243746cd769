"""Flatten."""
