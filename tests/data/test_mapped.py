"""Rows of mapped arrays: the same as in memory, and an error where the file has become shorter."""

import copy
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from cnnkit.data import ArrayDataset
from cnnkit.data.fingerprint import fingerprint
from cnnkit.data.mapped import MappedRows
from cnnkit.storage import FormatError

X = np.random.default_rng(0).integers(0, 256, (900, 6, 7, 3), np.uint8)


@pytest.fixture
def mapped(tmp_path):
    np.save(tmp_path / "x.npy", X)
    return np.load(tmp_path / "x.npy", mmap_mode="r")


VIEWS = {"whole": lambda x: x, "channels first": lambda x: x.transpose(0, 3, 1, 2), "later": lambda x: x[5:],
         "every second": lambda x: x[::2], "backwards": lambda x: x[::-1],
         "part of a row": lambda x: x[:, 1:3], "turned": lambda x: x.transpose(0, 2, 1, 3),
         "other rows": lambda x: x.transpose(1, 0, 2, 3)}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("indices", [[3, 4, 5, 0, -1], [], [2], list(range(6))])
def test_rows_are_those_of_the_array(mapped, view, indices):
    array = VIEWS[view](mapped)
    chosen = np.asarray(indices, int)
    rows = MappedRows(array).take(chosen)
    np.testing.assert_array_equal(rows, np.asarray(array)[chosen])
    assert not isinstance(rows, np.memmap)


def test_masks_and_rows_that_are_not_there_are_as_with_an_array(mapped):
    mask = np.arange(900) % 7 == 0
    np.testing.assert_array_equal(MappedRows(mapped).take(mask), X[mask])
    for index in (900, -901):
        with pytest.raises(IndexError):
            MappedRows(mapped).take([index])


def test_what_was_written_to_a_private_map_is_seen(tmp_path):
    np.save(tmp_path / "x.npy", X)
    private = np.load(tmp_path / "x.npy", mmap_mode="c")
    private[3] = 0
    assert MappedRows(private).take([3]).max() == 0


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_file_that_has_become_shorter_is_an_error(tmp_path, order):
    np.save(tmp_path / "x.npy", np.array(X, order=order))
    data = ArrayDataset(np.load(tmp_path / "x.npy", mmap_mode="r"), np.zeros(900, int))
    os.truncate(tmp_path / "x.npy", 4096)
    for read in (lambda: data[899], lambda: data.batch([1, 899]), lambda: data.stored_batch([899]),
                 lambda: fingerprint(data)):
        with pytest.raises(FormatError, match=r"x\.npy has become shorter while it is read, 4,096 bytes"):
            read()


def test_a_file_that_is_written_anew_beside_it_is_read_as_it_was(tmp_path, mapped):
    data = ArrayDataset(mapped, np.zeros(900, int))
    np.save(tmp_path / "new.npy", X[:1])
    os.replace(tmp_path / "new.npy", tmp_path / "x.npy")
    np.testing.assert_array_equal(data.stored_batch([899])[0][0], X[899].transpose(2, 0, 1))


def test_datasets_of_mapped_arrays_are_copied(mapped):
    data = ArrayDataset(mapped, np.zeros(900, int))
    data[0]
    np.testing.assert_array_equal(copy.deepcopy(data)[7][0], X[7].transpose(2, 0, 1))


def test_a_file_that_is_cut_off_while_it_is_read_does_not_end_the_process(tmp_path):
    program = textwrap.dedent("""
        import os, sys, threading
        import numpy as np
        from cnnkit.data import ArrayDataset
        path, x = sys.argv[1], np.zeros((4000, 32, 32), np.uint8)
        for _ in range(10):
            np.save(path, x)
            data = ArrayDataset(np.load(path, mmap_mode="r"), np.zeros(4000, int))
            timer = threading.Timer(0.002, os.truncate, (path, 4096))
            timer.start()
            try:
                while True:
                    data.stored_batch(np.arange(4000))
            except ValueError as error:
                assert "shorter" in str(error), error
            timer.join()
    """)
    result = subprocess.run([sys.executable, "-c", program, tmp_path / "x.npy"], capture_output=True,
                            text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
