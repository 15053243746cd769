"""Caches give what was read, find changed files again, and never give damaged pixels."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image
from power_cut import Disk, lay_out

from cnnkit import storage
from cnnkit.data import image_cache, image_file
from cnnkit.data.image_cache import DiskCache, MemoryCache, as_cache
from cnnkit.data.image_file import read_image


@pytest.fixture
def file(tmp_path):
    write(tmp_path / "a.png", 7)
    return tmp_path / "a.png"


def write(path, value):
    Image.new("RGB", (6, 4), (value, value, value)).save(path)


@pytest.fixture
def reads(monkeypatch):
    """The files that are decoded."""
    decoded = []

    def counting(file):
        decoded.append(file)
        return original(file)

    original = image_file.opened
    monkeypatch.setattr(image_file, "opened", counting)
    return decoded


@pytest.fixture(params=["memory", "disk"])
def cache(request, tmp_path):
    return MemoryCache(10_000) if request.param == "memory" else DiskCache(tmp_path / "cache")


def test_a_file_is_decoded_once_for_each_setting(cache, file, reads):
    for _ in range(2):
        assert cache.image(file, "RGB", None).shape == (4, 6, 3)
        assert cache.image(file, "L", (2, 3)).tolist() == [[7, 7, 7], [7, 7, 7]]
    assert len(reads) == 2
    assert not cache.image(file, "L", (2, 3)).flags.writeable


def test_a_changed_file_is_decoded_again(cache, file, reads):
    cache.image(file, "L", None)
    time = file.stat().st_mtime_ns
    write(file, 9)
    os.utime(file, ns=(time, time + 1))
    assert cache.image(file, "L", None).max() == 9
    assert len(reads) == 2


def test_a_missing_file_is_an_error_that_names_it(cache, tmp_path):
    with pytest.raises(ValueError, match=r"gone.png cannot be read as an image: there is no such file"):
        cache.image(tmp_path / "gone.png", "L", None)


def test_memory_has_a_limit(file, reads):
    cache = MemoryCache(30)
    for _ in range(3):
        cache.image(file, "L", None)  # 24 bytes
        cache.image(file, "L", (2, 4))  # 8 bytes more
    assert (cache.used, len(reads)) == (24, 4)


def test_a_folder_serves_the_next_run(file, tmp_path, reads):
    for _ in range(2):
        DiskCache(tmp_path / "cache").image(file, "RGB", (2, 2))
    assert len(reads) == 1


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: content[:-1],
                                    lambda content: content[:20] + b"\xff" + content[21:],
                                    lambda content: bytes(len(content))])
def test_a_damaged_entry_is_made_anew(file, tmp_path, reads, damage):
    cache = DiskCache(tmp_path / "cache")
    cache.image(file, "RGB", None)
    entry = next(path for path in (tmp_path / "cache").rglob("*") if path.is_file())
    entry.write_bytes(damage(entry.read_bytes()))
    for _ in range(2):
        assert (cache.image(file, "RGB", None) == 7).all()
    assert len(reads) == 2


def test_a_cache_whose_power_is_cut_gives_the_right_pixels_or_none(file, tmp_path, monkeypatch):
    disk = Disk(tmp_path / "disk")
    disk.root.mkdir()
    pixels = read_image(file, "RGB", None)
    with monkeypatch.context() as patch:
        disk.everywhere(patch)
        DiskCache(disk.root / "cache").store("key", pixels)
    disk.check({})
    found = []
    for number, state in enumerate(disk.states({})):
        cache = DiskCache(lay_out(state, tmp_path / str(number)) / "cache")
        loaded = cache.load("key")
        assert loaded is None or (loaded == pixels).all()
        found.append((loaded is not None, any(not name.endswith(".tmp") for name in state)))
    assert set(found) == {(False, False), (False, True), (True, True)}  # nothing; torn; whole


def test_an_entry_on_a_bad_sector_is_made_anew(file, tmp_path, monkeypatch, reads):
    def bad(path):
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    cache = DiskCache(tmp_path / "cache")
    cache.image(file, "RGB", None)
    with monkeypatch.context() as patch:
        patch.setattr(storage, "read_bytes", bad)
        assert (cache.image(file, "RGB", None) == 7).all()
    assert (cache.image(file, "RGB", None) == 7).all()
    assert len(reads) == 2


def test_threads_that_want_the_same_image_do_not_disturb_each_other(file, tmp_path):
    for n in range(5):
        cache = DiskCache(tmp_path / f"cache{n}")
        with ThreadPoolExecutor(4) as threads:
            images = list(threads.map(cache.image, [file] * 8, "L" * 8, [None] * 8))
        assert all((image == 7).all() for image in images)
    assert not list(tmp_path.rglob(".*"))


def test_a_cache_that_cannot_be_written_says_so_once(file, tmp_path, reads):
    (tmp_path / "cache").write_text("a file")
    cache = DiskCache(tmp_path / "cache" / "x")
    with pytest.raises(OSError, match="x"):
        cache.image(file, "L", None)


def test_a_full_disk_is_said_once(file, tmp_path, monkeypatch, reads):
    def refuse(path, data, durable):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(image_cache.storage, "write", refuse)
    cache = DiskCache(tmp_path / "cache")
    with pytest.warns(UserWarning, match="no longer be kept in the cache .*No space left on device"):
        cache.image(file, "L", None)
    assert (cache.image(file, "L", None) == 7).all()
    assert len(reads) == 2


def test_what_is_no_cache_is_refused():
    with pytest.raises(TypeError, match=r"cache=1\.5: give a number of bytes to use in memory, a folder"):
        as_cache(1.5)
    with pytest.raises(ValueError, match="0 bytes or more, got -1"):
        as_cache(-1)
