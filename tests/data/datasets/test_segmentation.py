"""Images with masks: paired by name, resized alike, ready for losses by the pixel."""

import numpy as np
import pytest
from PIL import Image

import cnnkit
from cnnkit import nn, train
from cnnkit.data import DataLoader
from cnnkit.data.datasets import SegmentationFolder
from cnnkit.data.transforms import ToTensor


def write(root, name, values, palette=False):
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(values, np.uint8))
    if palette:
        image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + 759 * [9])
    image.save(file)


@pytest.fixture
def root(tmp_path):
    for n in range(3):
        write(tmp_path, f"images/{n}.png", np.full((4, 6, 3), 100 * n))
        mask = np.full((4, 6), n)
        mask[0] = 255
        write(tmp_path, f"masks/{n}.png", mask, palette=True)
    return tmp_path


def test_a_sample_is_an_image_and_its_mask(root):
    data = SegmentationFolder(root)
    image, mask = data[2]
    assert (len(data), image.shape, mask.shape, mask.dtype) == (3, (4, 6, 3), (4, 6), np.int64)
    assert (mask[0] == -100).all()
    assert (mask[1:] == 2).all()
    assert SegmentationFolder(root, ignore=None)[0][1].max() == 255


@pytest.mark.parametrize("cache", [None, 1 << 20, "cache"])
def test_images_and_masks_are_resized_alike_and_cached(root, tmp_path, cache):
    data = SegmentationFolder(root, size=(2, 3), cache=tmp_path / cache if cache == "cache" else cache)
    for _ in range(2):
        image, mask = data[1]
        assert (image.shape, mask.shape) == ((2, 3, 3), (2, 3))
        assert (image == 100).all()
        assert set(np.unique(mask)) <= {1, -100}


@pytest.mark.parametrize(("images", "masks", "ending"), [
    ("JPEGImages", "SegmentationClass", ""), ("imgs", "Masks", "_mask"), ("image", "labels", "_L"),
    ("images", "ground_truth", "-gt")])
def test_usual_names_are_known(root, images, masks, ending):
    (root / "images").rename(root / images)
    (root / "masks").rename(root / masks)
    for n in range(3):
        (root / masks / f"{n}.png").rename(root / masks / f"{n}{ending}.png")
    assert [mask.max() for _, mask in SegmentationFolder(root)] == [0, 1, 2]


def test_values_are_given_classes(root):
    for n in range(3):
        write(root, f"masks/{n}.png", [[0, 255] * 3] * 4)
    with pytest.warns(UserWarning, match=r"0 and 255 only, .* ignored; .* values=\{0: 0, 255: 1\}"):
        assert SegmentationFolder(root)[0][1].tolist()[0] == [0, -100] * 3
    data = SegmentationFolder(root, values={0: 0, 255: 1}, classes=["ground", "road"])
    assert (data[0][1].tolist()[0], data.classes) == ([0, 1] * 3, ("ground", "road"))
    write(root, "masks/0.png", np.full((4, 6), 7))
    with pytest.raises(ValueError, match=r"0.png has the value 7, which is none of 2 classes; correct"):
        data[0]


def test_a_network_learns_from_masks(root, backend):
    loader = DataLoader(SegmentationFolder(root, ToTensor()), 2, num_workers=2)
    cnnkit.random.seed(0)
    model = nn.Conv2d(3, 3, 1)
    history = train.fit(model, loader, epochs=2, optimizer="sgd", lr=0.1, progress=False)
    assert history[1].loss < history[0].loss


def test_files_without_a_partner_are_named_or_left_out(root):
    write(root, "images/only.png", np.zeros((4, 6, 3)))
    write(root, "masks/lonely.png", np.zeros((4, 6)))
    with pytest.raises(ValueError, match=r"only.png has no mask in .*masks, .*lonely.png has no image in"):
        SegmentationFolder(root)
    data = SegmentationFolder(root, on_error="skip")
    assert (len(data), [file.name for file, _ in data.corrupt]) == (3, ["only.png", "lonely.png"])


def test_damaged_and_unfitting_masks_are_left_out(root):
    write(root, "masks/0.png", np.zeros((5, 6)))
    (root / "masks" / "1.png").write_bytes((root / "masks" / "1.png").read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"images/0.png has 4 x 6 pixels, its mask .*masks/0.png 5 x 6"):
        SegmentationFolder(root)
    data = SegmentationFolder(root, on_error="skip")
    assert (len(data), len(data.corrupt)) == (1, 2)


def test_image_and_mask_are_changed_together(root):
    data = SegmentationFolder(root, transforms=lambda image, mask: (image[::-1], mask[::-1]))
    assert (data[1][1][-1] == -100).all()


@pytest.mark.parametrize(("make", "error", "match"), [
    (lambda root: SegmentationFolder(root / "no"), FileNotFoundError, "there is no folder"),
    (lambda root: SegmentationFolder(root, masks="no"), FileNotFoundError, "masks='no': there is no folder"),
    (lambda root: SegmentationFolder(root / "images"), ValueError, "no folder 'images', but no folders"),
    (lambda root: SegmentationFolder(root, values={300: 1}), ValueError, r"values=\{300: 1\}: values in"),
    (lambda root: SegmentationFolder(root, ignore=300), ValueError, "ignore=300: values in files go"),
    (lambda root: write(root, "masks/0_mask.png", [[1]]) or write(root, "masks/0.gif", [[1]])
     or SegmentationFolder(root), ValueError, "images/0.png has two masks, .*0.gif and .*0.png"),
])
def test_mistakes_are_named(root, make, error, match):
    with pytest.raises(error, match=match):
        make(root)
