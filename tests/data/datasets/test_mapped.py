"""Images that stay in their file: mapped where they are stored uncompressed, else read with a warning."""

import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cnnkit.data import DataLoader, load, source
from cnnkit.data.datasets import npy, npz

RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (9, 6, 7, 3), np.uint8), np.arange(9) % 3


def assert_same_batches(data, reference):
    for (x, y), (x2, y2) in zip(*(DataLoader(d, 4, shuffle=True, seed=0).numpy_batches()
                                  for d in (data, reference)), strict=True):
        np.testing.assert_array_equal(x, x2)
        np.testing.assert_array_equal(y, y2)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", ">f8"])
def test_an_archive_is_mapped_to_the_same_batches(tmp_path, order, dtype):
    np.savez(tmp_path / "a.npz", more=np.zeros(5), x=np.array(X.astype(dtype), order=order), y=Y)
    data = npz(tmp_path / "a.npz", mmap_mode="r")
    assert isinstance(data.data, np.memmap)
    assert_same_batches(data, npz(tmp_path / "a.npz"))


def test_compressed_images_are_read_with_a_warning(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=X, y=Y)
    with pytest.warns(UserWarning,
                      match=r"a.npz: x is compressed, so all of it is read into memory; numpy.savez"):
        data = npz(tmp_path / "a.npz", mmap_mode="r")
    assert not isinstance(data.data, np.memmap)
    assert_same_batches(data, npz(tmp_path / "a.npz"))


def test_pairs_of_npy_files_are_mapped(tmp_path):
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    mapped, read = (npy(tmp_path / "x.npy", tmp_path / "y.npy", mmap_mode=mode) for mode in ("r", None))
    assert (isinstance(mapped.data, np.memmap), isinstance(read.data, np.memmap)) == (True, False)
    assert_same_batches(mapped, read)


def test_large_archives_are_mapped_when_they_are_named_on_the_command_line(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", x_train=X, y_train=Y, x_test=X, y_test=Y)
    np.savez_compressed(tmp_path / "b.npz", x=X, y=Y)
    assert not isinstance(load(tmp_path / "a.npz")[0].data, np.memmap)
    monkeypatch.setattr(source, "MAPPED", 100)
    assert [isinstance(part.data, np.memmap) for part in load(tmp_path / "a.npz")] == [True, True]
    assert not isinstance(load(tmp_path / "b.npz")[0].data, np.memmap)


def write_archive(path, body):
    """An .npz file of labels and of images with this content."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", body)
        np.save(path.with_suffix(".npy"), Y)
        archive.write(path.with_suffix(".npy"), "y.npy")


@pytest.mark.parametrize("body", [b"", b"nonsense", b"\x93NUMPY\x01\x00\x05\x00abcde",
                                  b"\x93NUMPY\x09\x00" + bytes(100)])
def test_damage_is_one_clear_error(tmp_path, body):
    write_archive(tmp_path / "a.npz", body)
    with pytest.raises(ValueError, match=r"a.npz: array 'x' is damaged"):
        npz(tmp_path / "a.npz", mmap_mode="r")


def test_an_array_that_is_cut_off_and_one_of_objects_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", X)
    write_archive(tmp_path / "a.npz", (tmp_path / "x.npy").read_bytes()[:-1])
    with pytest.raises(ValueError, match="its size does not fit its shape"):
        npz(tmp_path / "a.npz", mmap_mode="r")
    np.savez(tmp_path / "b.npz", x=np.array([{}, None], object), y=Y)
    with pytest.raises(ValueError, match="only a pickle"):
        npz(tmp_path / "b.npz", mmap_mode="r")
    np.save(tmp_path / "o.npy", np.array([{}, None], object))
    for path in (tmp_path / "o.npy", tmp_path / "a.npz"):
        with pytest.raises(ValueError, match=r"is no .npy file of numbers, or is cut off or damaged"):
            npy(path, tmp_path / "x.npy")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        npy(tmp_path / "none.npy", tmp_path / "x.npy")
    with pytest.raises(ValueError, match="mmap_mode must be 'r' or None"):
        npy(tmp_path / "x.npy", tmp_path / "x.npy", mmap_mode="w+")


@pytest.mark.heavy
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_training_from_a_file_takes_less_than_a_tenth_of_it_in_memory(tmp_path):
    n, size = 1 << 16, 64  # 256 MiB, nearly all of it a hole in the file
    np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (n, size, size)).flush()
    np.save(tmp_path / "y.npy", np.arange(n) % 10)
    program = textwrap.dedent("""
        import cnnkit
        from cnnkit import nn, train
        from cnnkit.data import DataLoader, datasets
        from cnnkit.train.callbacks import Callback

        def anonymous():
            with open("/proc/self/status") as status:
                return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) * 1024

        class Peak(Callback):
            value = images = 0
            def on_train_batch_end(self, run):
                self.value = max(self.value, anonymous())
                self.images = run.tally.images

        model = nn.Sequential(nn.Conv2d(1, 2, 8, stride=8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10))
        peak, before = Peak(), anonymous()
        loader = DataLoader(datasets.npy("x.npy", "y.npy", classes=10), 64, shuffle=True, seed=0)
        train.fit(model, loader, progress=False, callbacks=[peak])
        print(peak.images, peak.value - before)
        """)
    process = subprocess.run([sys.executable, "-c", program], cwd=tmp_path,
                             capture_output=True, text=True, check=True)
    images, growth = map(int, process.stdout.split())
    assert images == n
    assert growth < n * size * size / 10
