"""A folder of class folders: classes by name, pictures as they are, problems named by file."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnkit.data import DataLoader
from cnnkit.data.datasets import ImageFolder
from cnnkit.data.image_cache import MemoryCache
from cnnkit.data.transforms import ToTensor


@pytest.fixture
def root(tmp_path):
    for label, name in enumerate(["cat", "dog", "ant"]):
        (tmp_path / name).mkdir()
        for i in range(2):
            pixels = np.full((4, 6, 3), 50 * label + i, np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    return tmp_path


def test_classes_are_sorted_and_each_image_has_its_folders_label(root):
    data = ImageFolder(root)
    assert data.classes == ("ant", "cat", "dog")
    assert data.targets.tolist() == [0, 0, 1, 1, 2, 2]
    expected = [(100, 0), (101, 0), (0, 1), (1, 1), (50, 2), (51, 2)]
    assert [(int(image[0, 0, 0]), label) for image, label in data] == expected
    assert [file.name for file, _ in data.samples] == ["0.png", "1.png"] * 3
    assert (data.image_size, data.mode) == ((4, 6), "RGB")
    assert (data[0][0].shape, data[0][0].dtype) == ((4, 6, 3), np.uint8)


@pytest.mark.parametrize("transform", [None, ToTensor()])
def test_batches_are_float32_nchw_with_a_transform_and_without(root, transform):
    x, y = next(DataLoader(ImageFolder(root, transform), 4).numpy_batches())
    assert (x.shape, x.dtype, y.tolist()) == ((4, 3, 4, 6), np.float32, [0, 0, 1, 1])
    assert x[0, 0, 0, 0] == np.float32(100) / np.float32(255)


@pytest.mark.parametrize(("modes", "mode", "shape"), [
    (["L", "L"], None, (4, 6)), (["L", "1"], None, (4, 6)),
    (["L", "RGB"], None, (4, 6, 3)), (["RGBA", "P"], None, (4, 6, 3)),
    (["RGB", "RGB"], "L", (4, 6)), (["L", "L"], "RGB", (4, 6, 3)),
])
def test_images_are_gray_only_if_all_are_unless_mode_says_otherwise(tmp_path, modes, mode, shape):
    (tmp_path / "a").mkdir()
    for i, image_mode in enumerate(modes):
        Image.new(image_mode, (6, 4)).save(tmp_path / "a" / f"{i}.png")
    assert {image.shape for image, _ in ImageFolder(tmp_path, mode=mode)} == {shape}


@pytest.mark.parametrize(("size", "shape"), [(5, (5, 5, 3)), ((3, 7), (3, 7, 3))])
def test_size_resizes_to_height_and_width(root, size, shape):
    Image.new("RGB", (60, 40)).save(root / "ant" / "2.jpg")
    assert {image.shape for image, _ in ImageFolder(root, size=size)} == {shape}


def test_images_of_different_sizes_are_refused_and_two_are_named(root):
    Image.new("RGB", (6, 5)).save(root / "dog" / "2.png")
    with pytest.raises(ValueError,
                       match=r"ant/0.png is 4 x 6 pixels .* but .*dog/2.png is 5 x 6; give size= \(--size"):
        ImageFolder(root)


@pytest.mark.parametrize("hidden", [".git/a.png", "__MACOSX/cat/._0.png", "@eaDir/a.png", ".x/cat/a.png",
                                    "cat/.0.png", "cat/.ipynb_checkpoints/0-checkpoint.png",
                                    "cat/.thumbnails/large/0.png", "cat/a/__MACOSX/a.png", "cat/notes.txt"])
def test_hidden_files_are_passed_over_at_any_depth(root, hidden):
    (root / hidden).parent.mkdir(parents=True, exist_ok=True)
    (root / hidden).write_bytes(b"no image")
    data = ImageFolder(root)
    assert (data.classes, len(data)) == (("ant", "cat", "dog"), 6)


def test_a_folder_below_a_hidden_one_is_read_when_it_is_asked_for(root, tmp_path):
    hidden = tmp_path / ".cache"
    hidden.mkdir()
    (root / "cat").rename(hidden / "cat")
    assert ImageFolder(hidden).classes == ("cat",)


def test_images_are_found_at_any_depth_and_in_any_spelling(root):
    for name in ("more/a.JPG", "clip.gif/b.png", "more/c.Jfif"):
        (root / "cat" / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (6, 4)).save(root / "cat" / name, format="PNG")  # the contents count, not the name
    data = ImageFolder(root)
    assert data.classes == ("ant", "cat", "dog")
    assert [file.name for file, label in data.samples if label == 1] == ["0.png", "1.png", "b.png", "a.JPG",
                                                                         "c.Jfif"]


def test_formats_that_are_not_read_are_counted(root):
    for n in range(2):
        (root / "cat" / f"{n}.HEIC").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"2 files of formats that are not read .*: .heic \(2\)"):
        assert len(ImageFolder(root)) == 6
    for n in range(2):
        (root / "cat" / f"{n}.png").unlink()
    with pytest.raises(ValueError, match=r"cat holds no images .*; it holds .heic \(2\)"):
        ImageFolder(root)


def test_an_undecodable_name_can_be_printed_and_saved(root):
    folder = Path(os.fsdecode(b"caf\xe9"))
    (root / folder).mkdir()
    Image.new("RGB", (6, 4)).save(root / folder / os.fsdecode(b"\xff.png"))
    data = ImageFolder(root)
    assert data.classes == ("ant", "caf\\udce9", "cat", "dog")
    assert data[2][1] == 1
    (root / folder / os.fsdecode(b"\xff.png")).write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"udcff.png cannot be read") as error:
        ImageFolder(root)
    f"{data} {data.classes} {error.value}".encode()


def test_a_turned_image_is_upright_and_a_folder_of_both_says_so(root):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 4)).save(root / "cat" / "2.jpg", exif=exif)
    with pytest.warns(UserWarning, match="0.png is 4 x 6 .* 1 of 7 images are turned .*2.jpg; .* size="):
        data = ImageFolder(root)
    assert (data[4][0].shape, data.all_one_size) == ((6, 4, 3), False)
    assert ImageFolder(root, size=4).all_one_size


def test_cached_images_are_the_same(root, tmp_path):
    plain = ImageFolder(root, size=(3, 5), mode="L")
    for cache in (1 << 20, tmp_path / ".cache", MemoryCache(40)):
        data = ImageFolder(root, size=(3, 5), mode="L", cache=cache)
        for _ in range(2):
            for (image, label), (expected, expected_label) in zip(data, plain):
                np.testing.assert_array_equal(image, expected)
                assert label == expected_label


def test_given_classes_set_the_labels_and_an_unknown_folder_is_refused(root):
    assert ImageFolder(root, classes=["dog", "cat", "bee", "ant"]).targets.tolist() == [3, 3, 1, 1, 0, 0]
    with pytest.raises(ValueError, match=r"dog is no folder of a known class \(ant, cat\)"):
        ImageFolder(root, classes=["ant", "cat"])
    with pytest.raises(ValueError, match=r"the folders ant, dog in .* are of no known class \(Ant, cat\); "
                                         "ant and Ant differ only in capital letters"):
        ImageFolder(root, classes=["Ant", "cat"])


@pytest.mark.parametrize(("content", "match"), [
    (lambda png: b"", "bad.png cannot be read as an image: it is empty; replace or remove it"),
    (lambda png: b"<html>", "bad.png cannot be read as an image"),
    (lambda png: png[:20], "bad.png cannot be read as an image"),
    (lambda png: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 4\n", "bad.png cannot be read as an image"),
])
def test_a_file_that_is_no_image_is_named_when_the_dataset_is_made(root, content, match):
    (root / "cat" / "bad.png").write_bytes(content((root / "cat" / "0.png").read_bytes()))
    with pytest.raises(ValueError, match=match):
        ImageFolder(root)


def test_an_image_cut_off_is_named_when_it_is_decoded(root):
    noise = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    Image.fromarray(noise).save(root / "ant" / "1.png")
    (root / "ant" / "1.png").write_bytes((root / "ant" / "1.png").read_bytes()[:80])
    data = ImageFolder(root)
    with pytest.raises(ValueError, match=r"ant/1.png is cut off or damaged: .*replace or remove it"):
        list(DataLoader(data, 2))


def test_images_of_16_bits_are_taken_and_said(root):
    Image.fromarray(np.full((4, 6), 40000, np.uint16)).save(root / "cat" / "2.png")
    with pytest.warns(UserWarning, match="1 of 7 images has 16 bits per pixel, which are scaled .*2.png"):
        assert (ImageFolder(root)[4][0] == 156).all()


def test_images_of_several_frames_are_taken_and_said(root):
    frames = [Image.new("L", (6, 4), value) for value in (10, 20)]
    for name in ("a.gif", "b.tif"):
        frames[0].save(root / "cat" / name, save_all=True, append_images=frames[1:])
    with pytest.warns(UserWarning, match="2 of 8 images have several frames or pages, of which the first"):
        data = ImageFolder(root)
    assert [int(data[n][0].max()) for n in (4, 5)] == [10, 10]


def test_a_folder_of_saved_models_is_no_class(root):
    (root / "models").mkdir()
    (root / "models" / "pets-CommonCNN.safetensors").write_bytes(b"")
    assert ImageFolder(root).classes == ("ant", "cat", "dog")


@pytest.mark.parametrize(("make", "error", "match"), [
    (lambda root: ImageFolder(root / "nowhere"), FileNotFoundError, "there is no folder .*nowhere"),
    (lambda root: ImageFolder(root / "cat"), ValueError,
     "cat has no class folders: .* one sub-folder per class"),
    (lambda root: (root / "emu").mkdir() or ImageFolder(root),
     ValueError, "the folder .*emu holds no images"),
    (lambda root: ImageFolder(root, mode="HSV"), ValueError,
     r"mode must be 'L' \(gray\) or 'RGB', got 'HSV'"),
    (lambda root: ImageFolder(root, size=(3, 0)), ValueError, r"size=\(3, 0\): give a number of pixels"),
    (lambda root: ImageFolder(root, cache=True), TypeError, "cache=True: give a number of bytes"),
])
def test_folders_that_do_not_fit_are_refused_with_the_reason(root, make, error, match):
    with pytest.raises(error, match=match):
        make(root)


def damaged(root):
    """A file that is no image, and one that is cut off behind its header."""
    (root / "cat" / "2.png").write_bytes(b"no image")
    content = (root / "dog" / "1.png").read_bytes()
    (root / "dog" / "1.png").write_bytes(content[:-26])
    return [root / "cat" / "2.png", root / "dog" / "1.png"]


def test_damaged_files_are_left_out_and_listed(root):
    files = damaged(root)
    data = ImageFolder(root, on_error="skip")
    assert [file for file, _ in data.corrupt] == files
    assert "cannot be read as an image" in data.corrupt[0][1]
    assert (len(data), data.targets.tolist()) == (5, [0, 0, 1, 1, 2])
    assert len(list(DataLoader(data, 2, num_workers=2))) == 3


def test_damaged_files_are_named_in_a_warning(root):
    damaged(root)
    with pytest.warns(UserWarning,
                      match=r"2 damaged images are left out: .*cat/2.png cannot be read .*; .*dog/1.png"):
        data = ImageFolder(root, on_error="warn")
    assert len(data.corrupt) == 2


def test_damaged_files_are_an_error_by_default(root):
    files = damaged(root)
    with pytest.raises(ValueError, match=r"cat/2.png cannot be read as an image"):
        ImageFolder(root)
    files[0].unlink()
    with pytest.raises(ValueError, match=r"dog/1.png is cut off or damaged"):
        list(DataLoader(ImageFolder(root), 2, num_workers=2))


def test_choices_about_damaged_files_that_make_no_sense_are_refused(root, tmp_path):
    with pytest.raises(ValueError, match="on_error must be 'raise', 'warn' or 'skip', got 'ignore'"):
        ImageFolder(root, on_error="ignore")
    for file in root.rglob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(ValueError, match="has no image that can be read"):
        ImageFolder(root, on_error="skip")


def test_the_files_of_a_sound_folder_are_all_there(root):
    assert (ImageFolder(root, on_error="warn").corrupt, len(ImageFolder(root, on_error="warn"))) == ([], 6)
