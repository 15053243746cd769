"""Without the package onnx, the error says how to install it, and everything else works."""

import sys

import pytest

import cnnkit
from cnnkit import onnx


def test_the_error_names_the_command_that_installs_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'cnnkit\[onnx\]'"):
        onnx.load(tmp_path / "net.onnx")


def test_cnnkit_has_the_package_without_importing_anything():
    assert cnnkit.onnx is onnx
    assert "onnx" not in cnnkit.__all__


def test_an_unknown_name_is_an_attribute_error_with_advice():
    with pytest.raises(AttributeError, match="did you mean 'load'"):
        _ = onnx.laod
