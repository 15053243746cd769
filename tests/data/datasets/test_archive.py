""".npz files are read by the usual names, and nothing in them can run."""

import zipfile

import numpy as np
import pytest

from cnnkit.data.datasets import npy, npz
from cnnkit.data.datasets.archive import channels_first
from cnnkit.storage import FormatError

X, Y = np.arange(6 * 5 * 4, dtype=np.uint8).reshape(6, 5, 4), np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(("x", "y"), [("x", "y"), ("X", "y"), ("images", "labels"), ("data", "targets"),
                                      ("data", "target"), ("x_train", "y_train"), ("X_train", "y_train"),
                                      ("train_images", "train_labels")])
def test_the_usual_names_are_known(tmp_path, x, y):
    np.savez(tmp_path / "a.npz", **{x: X, y: Y, "more": X})
    data = npz(tmp_path / "a.npz")
    np.testing.assert_array_equal(data.data, X)
    assert (data.targets.tolist(), data.classes) == (Y.tolist(), ("0", "1", "2"))


def test_both_parts_of_a_file_count_the_same_classes(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=X, y_train=Y % 2, x_test=X[:2], y_test=[[0], [2]])
    train, test = npz(tmp_path / "a.npz"), npz(tmp_path / "a.npz", train=False)
    assert (len(train), len(test), test.targets.tolist()) == (6, 2, [0, 2])
    assert train.classes == test.classes == ("0", "1", "2")


@pytest.mark.parametrize(("shape", "data_format", "expected"), [
    ((2, 8, 9), None, (2, 8, 9)), ((2, 8, 9, 3), None, (2, 3, 8, 9)), ((2, 3, 8, 9), None, (2, 3, 8, 9)),
    ((2, 8, 9, 1), None, (2, 1, 8, 9)),
    ((2, 8, 9, 5), "NHWC", (2, 5, 8, 9)), ((2, 3, 9, 3), "NCHW", (2, 3, 9, 3)),
])
def test_channels_move_to_the_front(shape, data_format, expected):
    images = np.zeros(shape)
    images[1, 0, ...] = 1
    moved = channels_first(images, data_format)
    assert moved.shape == expected
    assert np.shares_memory(moved, images)


@pytest.mark.parametrize(("shape", "data_format", "match"), [
    ((2, 3, 9, 3), None, "pass data_format='NCHW' or 'NHWC'"), ((2, 16, 9, 9), None, "pass data_format="),
    ((2, 64), None, "reshape flat images"), ((2, 8, 8), "CHW", "must be 'NHWC' or 'NCHW', got 'CHW'"),
])
def test_a_shape_that_leaves_the_channels_open_is_refused(shape, data_format, match):
    with pytest.raises(ValueError, match=match):
        channels_first(np.zeros(shape), data_format)


@pytest.mark.parametrize(("arrays", "kwargs", "match"), [
    ({"a": X, "b": Y}, {},
     r"under a known name: it has the arrays a, b; save them as x_train and y_train or x and y"),
    ({"x": X, "y": Y}, {"train": False}, "holds no test images and labels .* the arrays x, y"),
    ({"x": X, "y": Y[:5]}, {}, "6 images but 5 labels"),
    ({"x": X, "y": Y}, {"classes": 2}, r"label 2 of sample 2 is outside 0\.\.1"),
    ({"x": X, "y": Y + 10**6}, {}, "labels go up to 1000002 but there are 6 images"),
    ({"x": X[:0], "y": Y[:0]}, {}, "the dataset is empty"),
    ({"x": X, "y": Y - 3}, {}, "label -3 of sample 0"),
    ({"x": np.full((6, 4, 4), np.nan), "y": Y}, {}, "image 0 of the dataset holds NaN"),
])
def test_contents_that_do_not_fit_are_refused_and_the_file_is_named(tmp_path, arrays, kwargs, match):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=match) as error:
        npz(tmp_path / "a.npz", **kwargs)
    assert str(tmp_path / "a.npz") in str(error.value)


class Payload:
    """Leaves a mark if it is ever unpickled."""

    def __reduce__(self):
        return exec, ("import pathlib; pathlib.Path(MARK).touch()".replace("MARK", repr(str(self.mark))),)


@pytest.mark.parametrize("wrap", ["npz", "pickle"])
def test_a_pickle_is_never_opened(tmp_path, wrap):
    import pickle
    payload = Payload()
    payload.mark = tmp_path / "mark"
    if wrap == "npz":
        np.savez(tmp_path / "a.npz", x=np.array([payload], object), y=Y)
    else:
        (tmp_path / "a.npz").write_bytes(pickle.dumps(payload))
    with pytest.raises(ValueError, match=r"which only a pickle can store|is no .npz file"):
        npz(tmp_path / "a.npz")
    assert not payload.mark.exists()


@pytest.mark.parametrize("keep", [0, 1, 10, 100, 400, -1, -40])
def test_a_file_cut_off_anywhere_is_one_clear_error(tmp_path, keep):
    np.savez_compressed(tmp_path / "a.npz", x=X, y=Y)
    (tmp_path / "b.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"b.npz .*get the file again") as error:
        npz(tmp_path / "b.npz")
    assert "\n" not in str(error.value)


def test_damage_within_an_array_is_one_clear_error(tmp_path):
    np.savez_compressed(tmp_path / "a.npz",
                        x=np.random.default_rng(0).integers(0, 256, (50, 8, 8), dtype=np.uint8), y=[0] * 50)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[500:510] = bytes(10)
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"array 'x' is damaged .*get the file again"):
        npz(tmp_path / "a.npz")


def test_a_single_array_and_a_missing_file_are_told_apart(tmp_path):
    np.save(tmp_path / "a.npy", X)
    with pytest.raises(ValueError, match="holds a single array"):
        npz(tmp_path / "a.npy")
    with pytest.raises(FileNotFoundError, match=r"there is no file .*b\.npz"):
        npz(tmp_path / "b.npz")


@pytest.mark.parametrize("dtype", [">f4", "<f4", ">f8"])
def test_arrays_come_in_the_machines_byte_order(tmp_path, dtype):
    x, y = np.arange(2 * 3 * 4, dtype=dtype).reshape(2, 3, 4), np.arange(2, dtype=">i4")
    np.savez(tmp_path / "a.npz", x=x, y=y)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    for data in (npz(tmp_path / "a.npz"), npy(tmp_path / "x.npy", tmp_path / "y.npy", mmap_mode=None)):
        assert data.data.dtype.isnative
        assert data.targets.dtype == np.int64
        np.testing.assert_array_equal(data.data, x)


def test_an_array_that_unpacks_to_more_than_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNKIT_LIMIT_ARRAY_BYTES", "10000")
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((100, 40, 40), np.uint8), y=np.zeros(100, int))
    with pytest.raises(FormatError, match=r"array 'x' has 160,000 bytes; .*_ARRAY_BYTES=160000$"):
        npz(tmp_path / "a.npz")
    monkeypatch.setenv("CNNKIT_LIMIT_ARRAY_BYTES", "160000")
    assert len(npz(tmp_path / "a.npz")) == 100


@pytest.mark.parametrize("shape", ["(1000000000000, 9, 9)", "(-1, 9, 9)", "(6, 5, 5)", "(6, 5, 4.0)", "6, 5",
                                   "[" * 90 + "]" * 90, "(6, 5, 4"])
def test_a_shape_that_the_file_does_not_hold_takes_no_memory(tmp_path, shape):
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(245) + "\n"
    body = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + X.tobytes()
    (tmp_path / "x.npy").write_bytes(body)
    np.save(tmp_path / "y.npy", Y)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", body)
        archive.write(tmp_path / "y.npy", "y.npy")
    for read in (lambda: npz(tmp_path / "a.npz"),
                 *(lambda mode=mode: npy(tmp_path / "x.npy", tmp_path / "y.npy", mmap_mode=mode)
                   for mode in (None, "r"))):
        with pytest.raises(FormatError, match="damaged"):
            read()


@pytest.mark.parametrize("dtype", ["S3", "M8[s]", "c8", "U2", [("a", "u1")]])
def test_other_kinds_of_arrays_are_refused_by_one_error(tmp_path, dtype):
    np.savez(tmp_path / "a.npz", x=np.zeros((6, 5, 4), dtype), y=Y)
    np.savez(tmp_path / "b.npz", x=X, y=np.zeros(6, dtype))
    for name in ("a.npz", "b.npz"):
        with pytest.raises(FormatError, match=name):
            npz(tmp_path / name)
