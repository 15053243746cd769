"""The channels are where data_format, the network or the shape says; where none does, nobody guesses."""

import pytest

from cnnkit.data.layout import channels_last


@pytest.mark.parametrize(("shape", "settings", "expected"), [
    ((9, 3, 32, 32), {}, False), ((9, 32, 32, 3), {}, True), ((9, 28, 28, 1), {}, True),
    ((9, 32, 48, 4), {}, True), ((9, 1, 4, 4), {}, False), ((9, 4, 4, 3), {}, True),
    ((9, 3, 4, 4), {}, False),
    ((9, 1, 1, 4), {}, None), ((9, 3, 8, 3), {}, None), ((9, 3, 3, 3), {}, None), ((9, 8, 8, 8), {}, None),
    ((9, 64, 4, 4), {}, None), ((9, 2, 5, 3), {}, None),
    ((9, 4, 8, 3), {"channels": 3}, True), ((9, 4, 8, 3), {"channels": 4}, False),
    ((9, 16, 8, 4), {"channels": 16}, False), ((9, 3, 8, 3), {"channels": 3}, None),
    ((9, 32, 32, 3), {"data_format": "NCHW"}, False), ((9, 3, 32, 32), {"data_format": "NHWC"}, True)])
def test_where_the_channels_are(shape, settings, expected):
    assert channels_last(shape, **settings) is expected


def test_an_unknown_format_is_refused():
    with pytest.raises(ValueError, match="data_format is 'NCHW', 'NHWC' or None; got 'CHWN'"):
        channels_last((9, 3, 8, 8), "CHWN")
