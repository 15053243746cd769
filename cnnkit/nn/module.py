"""Module: parameters and settings."""
