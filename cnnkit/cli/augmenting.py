"""``cnnkit augment``: a sheet that shows what random transforms make of images."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnnkit import storage
from cnnkit.cli.screen import counted, screen

if TYPE_CHECKING:
    import numpy as np

__all__ = ["augment"]

USUAL = "flip,rotate,crop"  # the guide's: rotation, flipping, cropping
GAP = 2  # pixels between images
SMALLEST = 96  # the least pixels of an image's longer side on the sheet


def augment(
    images: Annotated[list[Path],
                      typer.Argument(help="Image files; mixup and cutmix mix them with each other.")],
    out: Annotated[Path, typer.Option(help="Where the sheet goes, such as sheet.png.")],
    augment: Annotated[str, typer.Option(metavar="NAMES",
                                         help="As `cnnkit train --augment` has it.")] = USUAL,
    variants: Annotated[int, typer.Option(min=1, max=100, help="How many of each image.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Of the random numbers.")] = 0,
    size: Annotated[int | None, typer.Option(min=1, help="Resize the images to SIZE x SIZE.",
                                             show_default="as they are")] = None,
) -> None:
    """Show what --augment makes of images: a row for each, the image itself first."""
    from PIL import Image

    from cnnkit import random
    from cnnkit.cli.pictures import read_images
    from cnnkit.data.image_file import image_head
    from cnnkit.data.transforms import named, numbers_by_name

    numbers_by_name(augment, "--augment")
    if out.suffix.lower() not in Image.registered_extensions():
        raise ValueError(f"--out {out}: the name must end in that of an image format, such as .png")
    for path in images:
        if path.is_dir():
            raise ValueError(f"{path} is a folder; name the image files in it")
        if not path.exists():
            raise FileNotFoundError(f"there is no file {path}")
    heads = [image_head(path) for path in images]
    sizes = [head.size for head in heads]
    if size is None and len(set(sizes)) > 1:
        raise ValueError("the images differ in size "
                         f"({', '.join(f'{h} x {w}' for h, w in sorted(set(sizes)))}); give --size")
    x = read_images(images, (1 if all(head.mode == "L" for head in heads) else 3, size, size))
    transform, key = named(augment, tuple(x.shape[1:]), len(images)), random.key(seed)
    columns = [x, *(transform(x, key=random.fold_in(key, n)) for n in range(variants))]
    picture = io.BytesIO()
    Image.fromarray(_sheet([column.numpy() for column in columns])).save(
        picture, Image.registered_extensions()[out.suffix.lower()])
    storage.write(out, picture.getvalue())
    screen().print(f"{counted(len(images), 'image')} with {counted(variants, 'variant')} saved "
                   f"to {out}: {augment}")


def _sheet(columns: list[np.ndarray]) -> np.ndarray:
    """Columns of images (N, C, H, W) as one uint8 picture (H, W) or (H, W, C), with white between them."""
    import numpy as np

    N, C, H, W = columns[0].shape
    scale = max(1, -(-SMALLEST // max(H, W)))
    height, width = H * scale + GAP, W * scale + GAP
    sheet = np.full((N * height - GAP, len(columns) * width - GAP, C), 255, np.uint8)
    for index, column in enumerate(columns):
        pixels = np.rint(np.clip(column, 0, 1) * 255).astype(np.uint8).transpose(0, 2, 3, 1)
        pixels = pixels.repeat(scale, 1).repeat(scale, 2)
        for row, image in enumerate(pixels):
            sheet[row * height:(row + 1) * height - GAP, index * width:(index + 1) * width - GAP] = image
    return sheet[:, :, 0] if C == 1 else sheet
