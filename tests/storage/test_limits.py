"""Limits: what a file may ask for, the message, and how it is raised."""

import pytest

from cnnkit.storage import FormatError, limits


def test_more_than_the_limit_is_refused_with_the_variable_that_raises_it(monkeypatch):
    with pytest.raises(FormatError, match=r"^a has 50,000,001 pixels; .*_IMAGE_PIXELS=50000001$"):
        limits.check("image_pixels", 50_000_001, "a")
    monkeypatch.setenv("CNNKIT_LIMIT_IMAGE_PIXELS", "50000001")
    limits.check("image_pixels", 50_000_001, "a")


def test_a_large_file_may_ask_for_a_multiple_of_its_size():
    limits.check("array_bytes", 16 << 28, "a", file_size=1 << 28)
    with pytest.raises(FormatError, match="a has"):
        limits.check("array_bytes", (16 << 28) + 1, "a", file_size=1 << 28)


@pytest.mark.parametrize("text", ["many", "-1", "1e9", "²", "9" * 19])
def test_a_variable_that_is_no_number_is_named(monkeypatch, text):
    monkeypatch.setenv("CNNKIT_LIMIT_ARRAY_BYTES", text)
    with pytest.raises(ValueError, match="CNNKIT_LIMIT_ARRAY_BYTES must be a whole number"):
        limits.limit("array_bytes")
