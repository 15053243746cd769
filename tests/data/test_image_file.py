"""The rules by which an image file becomes pixels, the same for everybody who reads one."""

import errno
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

import cnnkit.data.image_file
from cnnkit.data.image_file import ImageError, image_head, read_image
from cnnkit.data.mask_file import read_mask

NOISE = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)


@pytest.fixture
def saved(tmp_path):
    def save(image, name="a.png", **options):
        image = image if isinstance(image, Image.Image) else Image.fromarray(image)
        image.save(tmp_path / name, **options)
        return tmp_path / name
    return save


def oriented(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_images_are_upright_as_pillow_turns_them(saved, name, orientation):
    file = saved(NOISE, name, exif=oriented(orientation))
    plain = Image.fromarray(NOISE) if name == "a.tif" else Image.open(file).copy()  # Pillow turns TIFF itself
    plain.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(plain))
    np.testing.assert_array_equal(read_image(file, "RGB"), expected)
    assert image_head(file).size == expected.shape[:2] == ((12, 16) if orientation < 5 else (16, 12))


def test_the_orientation_of_a_png_may_come_after_its_pixels(saved):
    plain, turned = saved(NOISE).read_bytes(), saved(NOISE, exif=oriented(6)).read_bytes()
    start = turned.index(b"eXIf") - 4
    block = turned[start:start + 12 + int.from_bytes(turned[start:start + 4], "big")]
    end = plain.index(b"IEND") - 4
    file = saved(NOISE)
    file.write_bytes(plain[:end] + block + plain[end:])
    assert (image_head(file).size, read_image(file, "RGB").shape) == ((16, 12), (16, 12, 3))


@pytest.mark.parametrize("exif", [oriented(0).tobytes(), oriented(9).tobytes(), b"Exif\0\0garbage"])
def test_an_orientation_that_is_none_changes_nothing(saved, exif):
    file = saved(NOISE, exif=exif)
    np.testing.assert_array_equal(read_image(file, "RGB"), NOISE)
    assert image_head(file).size == (12, 16)


@pytest.mark.parametrize(("name", "dtype"), [("a.png", "uint16"), ("a.tif", "<u2"), ("a.tif", ">u2"),
                                             ("a.tif", "int32"), ("a.pgm", ">u2")])
def test_16_bits_are_scaled_to_8(saved, name, dtype):
    values = np.array([[0, 128, 129, 257], [40000, 32768, 65407, 65535]])
    file = saved(values.astype(dtype), name) if name != "a.pgm" else saved(Image.new("L", (4, 2)), name)
    if name == "a.pgm":
        file.write_bytes(b"P5 4 2 65535\n" + values.astype(dtype).tobytes())
    head = image_head(file)
    assert (head.mode, head.deep) == ("L", True)
    expected = np.rint(values / 257)
    np.testing.assert_array_equal(read_image(file, "L"), expected)
    np.testing.assert_array_equal(read_image(file, "RGB"), np.stack([expected] * 3, axis=2))


@pytest.mark.parametrize(("values", "match"), [
    (np.full((2, 3), 70000, np.int32), "values from 70000 to 70000, whose range nobody knows; save it"),
    (np.full((2, 3), -1, np.int32), "values from -1 to -1"),
    (np.full((2, 3), 0.5, np.float32), "as floating-point numbers, whose range nobody knows"),
])
def test_a_range_that_nobody_knows_is_refused(saved, values, match):
    with pytest.raises(ImageError, match=f"a.tif has .*{match}"):
        read_image(saved(values, "a.tif"), "L")


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("source", ["RGBA", "LA", "PA", "P", "L", "RGB", "I;16", "1"])
def test_transparent_pixels_are_put_on_white(saved, source, mode):
    if source in ("RGBA", "LA", "PA"):  # black, and transparent but for the first row
        pixels = np.zeros((4, 6, 4 if source == "RGBA" else 2), np.uint8)
        pixels[0, :, -1] = 255
        picture = Image.frombytes(source, (6, 4), pixels.tobytes())
        if source == "PA":
            picture.putpalette([0, 0, 0])
        file = saved(picture, "a.tif" if source == "PA" else "a.png")
    else:  # a transparent colour
        pixels = np.full((4, 6), 1, np.uint16 if source == "I;16" else np.uint8)
        pixels[0] = 0
        picture = Image.fromarray(pixels)
        if source == "P":
            picture.putpalette([0, 0, 0, 9, 9, 9])
        elif source in ("RGB", "1"):
            picture = Image.fromarray(pixels * np.uint8(255)).convert(source)
            pixels = pixels * 255
        colour = int(pixels[1, 0])
        file = saved(picture, transparency=(colour,) * 3 if source == "RGB" else colour)
    image = read_image(file, mode)
    assert image.shape == ((4, 6) if mode == "L" else (4, 6, 3))
    assert (image[0] == 0).all()
    assert (image[1:] == 255).all()


def test_half_transparent_is_half_white(saved):
    assert (read_image(saved(Image.new("RGBA", (3, 2), (0, 0, 0, 128))), "L") == 127).all()


@pytest.mark.parametrize(("mode", "name", "head"), [
    ("CMYK", "a.jpg", "RGB"), ("CMYK", "a.tif", "RGB"), ("1", "a.png", "L"), ("P", "a.gif", "RGB"),
    ("LAB", "a.tif", "RGB"), ("YCbCr", "a.jpg", "RGB")])
def test_other_modes_are_converted(saved, mode, name, head):
    image = Image.new(mode, (6, 4), 1 if mode == "1" else 0)
    if mode == "P":
        image.putpalette([200, 0, 0])
    file = saved(image, name)
    assert image_head(file).mode == head
    assert read_image(file, "RGB").shape == (4, 6, 3)
    if mode == "1":
        assert (read_image(file, "L") == 255).all()


@pytest.mark.parametrize("name", ["a.gif", "a.tif", "a.png", "a.webp"])
def test_the_first_of_several_images_is_taken(saved, name):
    frames = [Image.new("RGB", (6, 4), colour) for colour in ("black", "white")]
    options = {"lossless": True} if name.endswith("webp") else {}
    file = saved(frames[0], name, save_all=True, append_images=frames[1:], **options)
    assert image_head(file).several
    assert not image_head(saved(frames[0], f"one-{name}")).several
    assert (read_image(file, "RGB") == 0).all()


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_large_jpeg_is_decoded_smaller_with_almost_the_same_pixels(saved, mode, orientation):
    waves = np.add.outer(np.sin(np.arange(480) / 9), np.cos(np.arange(640) / 13))
    photograph = np.clip(64 * waves[..., None] + [90, 120, 150] + np.random.default_rng(0).normal(
        0, 8, (480, 640, 1)), 0, 255).astype(np.uint8)
    file = saved(photograph, "a.jpg", quality=90, exif=oriented(orientation))
    with Image.open(file) as image:
        whole = ImageOps.exif_transpose(image).convert(mode)
    for size in ((60, 80), (100, 90), (119, 30)):
        expected = np.asarray(whole.resize(size[::-1], Image.Resampling.BILINEAR)).astype(int)
        error = np.abs(read_image(file, mode, size) - expected)
        assert error.max() <= 8
        assert error.mean() < 1


def test_a_jpeg_of_less_than_four_times_the_size_is_decoded_whole(saved):
    file = saved(np.kron(NOISE, np.ones((10, 10, 1), np.uint8)), "a.jpg")
    whole = Image.open(file)
    for size in ((31, 40), (30, 41)):
        np.testing.assert_array_equal(read_image(file, "RGB", size),
                                      np.asarray(whole.resize(size[::-1], Image.Resampling.BILINEAR)))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.bmp", "a.tif", "a.webp"])
def test_a_damaged_file_is_an_error_that_names_it(saved, name):
    content = saved(NOISE, name).read_bytes()
    for damaged in (b"", content[:9], content[:len(content) // 2], b"x" * 40,
                    content[:20] + bytes(255 - b for b in content[20:60]) + content[60:len(content) // 2]):
        file = saved(NOISE, name)
        file.write_bytes(damaged)
        with pytest.raises(ImageError, match=rf"{name} (cannot be read as an image|is cut off or damaged): "
                                             ".*; replace or remove it"):
            read_image(file, "RGB")


def test_what_is_wrong_with_the_file_is_said(tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "broken.png").symlink_to(tmp_path / "nothing")
    for name, words in (("empty.png", "it is empty"), ("broken.png", "it is a link to nothing"),
                        ("gone.png", "there is no such file")):
        with pytest.raises(ImageError, match=f"{name} cannot be read as an image: {words}"):
            image_head(tmp_path / name)


def test_a_lack_of_file_handles_is_not_the_files_fault(saved, monkeypatch):
    file = saved(NOISE)

    def refuse(*_, **__):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        read_image(file, "RGB")


def test_pixels_cannot_be_written_to(saved):
    assert not read_image(saved(NOISE), "RGB").flags.writeable


def _chunk(kind, body):
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def png(width, height, bits, colour):
    """A PNG file of zeros."""
    row = bytes(1 + width * {0: 1, 2: 3, 4: 2, 6: 4}[colour] * bits // 8)
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(row * height))
            + _chunk(b"IEND", b""))


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, saved, monkeypatch):
    monkeypatch.setenv("CNNKIT_LIMIT_IMAGE_PIXELS", "100")
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    for name in ("a.png", "a.jpg", "a.gif", "a.bmp", "a.tif", "a.webp", "a.ppm"):
        file = saved(NOISE, name)
        for read in (lambda file=file: image_head(file), lambda file=file: read_image(file, "RGB"),
                     lambda file=file: read_image(file, "RGB", (2, 2)), lambda file=file: read_mask(file)):
            with pytest.raises(ImageError, match=f"{name} has 192 pixels; .*CNNKIT_LIMIT_IMAGE_PIXELS=192"):
                read()


def test_an_image_that_pillow_refuses_to_open_is_refused_in_the_same_way(tmp_path):
    (tmp_path / "a.png").write_bytes(png(20000, 1, 8, 0).replace(
        struct.pack(">II", 20000, 1), struct.pack(">II", 20000, 20000)))
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageError, match=r"a\.png has too many pixels .*CNNKIT_LIMIT_IMAGE_PIXELS"):
        image_head(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["RGB.png", "RGBA.png", "LA.png", "RGB.ppm", "RGB.tif"])
def test_colours_of_16_bits_are_refused(tmp_path, saved, name):
    if name.endswith("png"):
        (tmp_path / name).write_bytes(png(4, 4, 16, {"RGB": 2, "RGBA": 6, "LA": 4}[name[:-4]]))
    elif name.endswith("ppm"):
        (tmp_path / name).write_bytes(b"P6 # made by hand\n4 4\n65535\n" + bytes(96))
    else:
        content = saved(Image.new("RGB", (4, 4)), "a.tif").read_bytes()
        deeper = content.replace(struct.pack("<3H", 8, 8, 8), struct.pack("<3H", 16, 16, 16))
        (tmp_path / name).write_bytes(deeper)
    for read in (image_head, lambda file: read_image(file, "RGB")):
        with pytest.raises(ImageError, match=f"{name} has more than 8 bits for each channel"):
            read(tmp_path / name)


@pytest.mark.parametrize("kind", ["RGBA", "P", "I;16", "L", "1", "LA"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_an_image_in_strips_has_the_same_pixels(saved, monkeypatch, kind, mode):
    noise = np.random.default_rng(1).integers(0, 256, (12, 16, 4), dtype=np.uint8)
    picture = (Image.fromarray(noise[..., 0].astype(np.uint16) * 200) if kind == "I;16" else
               Image.fromarray(noise).convert(kind))
    file = saved(picture, **({"transparency": 3} if kind in ("P", "L") else {}))
    whole = [read_image(file, mode, size) for size in (None, (5, 7))]
    monkeypatch.setattr(cnnkit.data.image_file, "_STRIP", 40)
    for size, expected in zip((None, (5, 7)), whole):
        np.testing.assert_array_equal(read_image(file, mode, size), expected)


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    for read in (image_head, lambda file: read_image(file, "L"), read_mask):
        with pytest.raises(ImageError, match=r"a\.png is no regular file"):
            read(tmp_path / "a.png")
