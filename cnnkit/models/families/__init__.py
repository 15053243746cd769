"""The published architectures, one file a family; `cnnkit.models` has their classes and functions."""
