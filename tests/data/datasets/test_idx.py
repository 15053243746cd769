"""idx files are read whole or refused with what was expected and found."""

import gzip
import os
import struct

import numpy as np
import pytest

from cnnkit.data.datasets.idx import read_idx, read_images, read_labels
from cnnkit.storage import FormatError

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def idx(array, code=8, shape=None):
    shape = array.shape if shape is None else shape
    header = bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize(("code", "dtype"),
                         [(8, "u1"), (9, "i1"), (11, "i2"), (12, "i4"), (13, "f4"), (14, "f8")])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_every_type_is_read_in_the_machines_byte_order(tmp_path, code, dtype, pack):
    array = IMAGES.astype(dtype) + 7
    (tmp_path / "file").write_bytes(pack(idx(array, code)))
    read = read_idx(tmp_path / "file")
    np.testing.assert_array_equal(read, array)
    assert read.dtype == np.dtype(dtype)
    assert read.dtype.isnative


WHOLE = idx(IMAGES)
DAMAGED = {
    "header says more": (idx(IMAGES, shape=(3, 3, 4)), "expected 3 x 3 x 4 = 36 bytes, found only 24"),
    "header says less": (idx(IMAGES, shape=(1, 3, 4)), "expected 1 x 3 x 4 = 12 bytes, found more"),
    "header lies wildly": (idx(IMAGES, shape=(2**32 - 1,) * 3), "found only 24"),
    "cut off": (WHOLE[:-1], "found only 23"),
    "cut off in the header": (WHOLE[:7], "cut off within its header: 7 of 16 bytes"),
    "empty": (b"", "no idx file: it begins with b''"),
    "a web page": (b"<html><body>404", "no idx file: it begins with b'<htm'"),
    "bytes before the header": (b"\1" + WHOLE[1:], r"no idx file: it begins with b'\\x01"),
    "an unknown type": (bytes([0, 0, 7, 1]) + WHOLE[4:], "no idx file"),
    "gzip cut off": (gzip.compress(WHOLE)[:-9], "cut off or damaged"),
    "gzip header only": (gzip.compress(WHOLE)[:10], "cut off or damaged"),
    "gzip with a bit flipped": (bytes(b ^ (i == 20) for i, b in enumerate(gzip.compress(WHOLE))),
                                "damaged|no idx|header"),
    "gzip with a body of rubbish": (gzip.compress(WHOLE)[:10] + b"\xff" * 40, "cut off or damaged"),
    "gzip with a wrong sum": (gzip.compress(WHOLE)[:-8] + bytes(8), "cut off or damaged"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_named_with_what_was_found_and_the_fix(tmp_path, name):
    content, match = DAMAGED[name]
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=match) as error:
        read_idx(path)
    assert str(path) in str(error.value)
    assert str(error.value).endswith("download it again")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("read", "array", "match"), [
    (read_images, IMAGES[0, 0], r"does not hold images \(idx3, uint8\) but labels \(idx1"),
    (read_labels, IMAGES, r"does not hold labels \(idx1, uint8\) but images \(idx3"),
    (read_images, IMAGES[0], "but something else"),
])
def test_a_file_of_another_kind_is_refused(tmp_path, read, array, match):
    (tmp_path / "file").write_bytes(idx(array))
    with pytest.raises(ValueError, match=match):
        read(tmp_path / "file")


def test_a_small_file_that_unpacks_to_a_large_array_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNKIT_LIMIT_ARRAY_BYTES", "1000")
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 1]) + (100_000).to_bytes(4, "big") + bytes(100_000)))
    with pytest.raises(FormatError, match=r"a\.gz has 100,000 bytes; .* CNNKIT_LIMIT_ARRAY_BYTES=100000$"):
        read_idx(path)
    monkeypatch.setenv("CNNKIT_LIMIT_ARRAY_BYTES", "100000")
    assert read_idx(path).shape == (100_000,)


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FormatError, match="no regular file"):
        read_idx(tmp_path / "pipe")
