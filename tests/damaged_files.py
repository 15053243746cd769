"""A corpus of damaged files of every format that cnnkit reads, made from sound ones, the same at every run.

``python tests/damaged_files.py 10000`` reads so many, in a process whose memory is limited, and prints what
came of them; ``10000 1 onnx`` other ones, and only of that format. Each must be accepted, or refused by a
FormatError.
"""

import collections
import contextlib
import copy
import gzip
import io
import json
import random
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

import cnnkit
from cnnkit import models, nn, optim, safetensors, train
from cnnkit.cli.toml_file import read_toml
from cnnkit.data import DataLoader, Subset, datasets
from cnnkit.data.image_file import image_head, read_image
from cnnkit.data.label_table import read_label_table
from cnnkit.data.mask_file import read_mask
from cnnkit.storage import FormatError
from cnnkit.train import checkpoints
from cnnkit.train.callbacks import Callback, Checkpoint, EarlyStopping

with contextlib.suppress(ImportError):  # of formats that need an optional package
    import damaged_onnx

ROOM = 1 << 30  # bytes that the process may take beyond what it has when it begins
HUGE = (0, 1, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**40, 2**62, 2**63, 2**64 - 1)
WRONG = (None, -1, 0, 10**9, 10**30, 1e308, "x", "", [], [1], [[]], {}, {"x": 1}, True)
PICTURE = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)


class Pause(Callback):
    """Ends a run within its second epoch."""

    def on_train_batch_end(self, run):
        if run.step == 3:
            run.pause("for the corpus")


def fit(**settings):
    """A short run, the same each time."""
    cnnkit.random.seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    loader = DataLoader(Subset(datasets.digits(), range(32)), 16, shuffle=True, seed=0)
    optimizer = optim.Adam(model.parameters(), 0.01)
    callbacks = [EarlyStopping("loss"), *settings.pop("callbacks", [])]
    return train.fit(model, loader, epochs=2, optimizer=optimizer, ema=0.5, progress=False,
                     callbacks=callbacks, scheduler=optim.lr_scheduler.StepLR(optimizer, 1), **settings)


def sound_files(folder):
    """One sound file of every format: name -> (path, what reads it)."""
    files = {}

    def add(name, content, read):
        (folder / name).write_bytes(content)
        files[name] = folder / name, read

    def saved(write, *arguments, **options):
        stream = io.BytesIO()
        write(stream, *arguments, **options)
        return stream.getvalue()

    def read_picture(path):
        image_head(path)
        read_image(path, "RGB")
        read_image(path, "L", (5, 5))

    net = models.CNN((1, 8, 8), conv=[(4, 3)], hidden=[5], classes=2, batch_norm=True)
    files["model"] = models.save_model(net, folder / "model", ["cat", "dog"]), models.load_model
    weights = safetensors.save_file(net.state_dict(), folder / "weights.safetensors")
    files["weights"] = weights, safetensors.load_file
    x, y = PICTURE[:, :, 0].repeat(3, 0).reshape(36, 4, 4), np.arange(36) % 3
    for kind in (np.savez, np.savez_compressed):
        add(f"{kind.__name__}.npz", saved(kind, x=x, y=y), lambda path: (
            datasets.npz(path), datasets.npz(path, mmap_mode="r").batch([0, 35])))
    np.save(folder / "y.npy", y)
    add("x.npy", saved(np.save, x), lambda path: (
        datasets.npy(path, folder / "y.npy").batch([0, 35]),
        datasets.npy(path, folder / "y.npy", mmap_mode=None)))
    idx = bytes([0, 0, 8, 3, 0, 0, 0, 36, 0, 0, 0, 4, 0, 0, 0, 4]) + x.tobytes()
    add("idx", idx, datasets.read_idx)
    add("idx.gz", gzip.compress(idx, mtime=0), datasets.read_idx)
    add("cifar.bin", (bytes([3]) + bytes(3072)) * 3, datasets.read_cifar)
    picture = Image.fromarray(PICTURE)
    for ending, form in (("png", "PNG"), ("jpg", "JPEG"), ("bmp", "BMP"), ("gif", "GIF"), ("tif", "TIFF"),
                         ("webp", "WEBP"), ("ppm", "PPM")):
        add(f"a.{ending}", saved(picture.save, form), read_picture)
    add("clear.png", saved(picture.convert("RGBA").save, "PNG"), read_picture)
    deep = Image.fromarray(PICTURE[..., 0].astype(np.uint16) * 257)
    add("deep.tif", saved(deep.save, "TIFF"), read_picture)
    add("mask.png", saved(picture.convert("P").save, "PNG"), read_mask)
    add("labels.csv", b"file,label\n" + b"".join(b"%d.png,class %d\n" % (n, n % 3) for n in range(9)),
        read_label_table)
    settings = b'lr = 0.001\nepochs = 3\nhidden = [1, 2]\nmodel = "CNN"\n[set]\ndropout = 0.5\n'
    add("config.toml", settings, read_toml)
    fit(callbacks=[Checkpoint(folder / "run"), Pause()])
    newest = checkpoints.numbered(folder / "run")[-1]
    files["checkpoint.json"] = newest, checkpoints.read
    files["checkpoint's tensors"] = newest.with_suffix(".safetensors"), lambda path: checkpoints.read(newest)
    if "damaged_onnx" in globals():
        files["onnx"] = damaged_onnx.sound_model(folder), damaged_onnx.read
    files["state"] = newest, lambda path: fit(resume=checkpoints.read(path).state)
    return files


def damaged(content, draw):
    """The bytes of a file, damaged once or a few times."""
    content = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        at, size = draw.randrange(len(content) + 1), draw.choice((1, 2, 4, 8, 64))
        if draw.random() < 0.5:  # where headers are
            at = min(at, draw.randrange(100))
        how = draw.randrange(8)
        if how == 0:
            content = content[:at]
        elif how == 1 and at < len(content):
            content[at] ^= 1 << draw.randrange(8)
        elif how == 2:
            content[at:at + size] = draw.randbytes(size)
        elif how == 3:
            del content[at:at + size]
        elif how == 4:
            content[at:at] = draw.choice((draw.randbytes(size), bytes(size), b"[" * 5000, b"\x1b[2J"))
        elif how == 5:  # a length
            width, order = draw.choice((2, 4, 8)), draw.choice(("big", "little"))
            content[at:at + width] = (draw.choice(HUGE) % (1 << 8 * width)).to_bytes(width, order)
        elif how == 6:
            content[at:at + size] = content[at // 2:at // 2 + size]
        else:  # a number in a text
            digits = [n for n, byte in enumerate(content[:4000]) if 48 <= byte <= 57]
            if digits:
                at = draw.choice(digits)
                content[at:at + 1] = str(draw.choice((*HUGE, -1, "1e400", '"x"', "[]", "9" * 5000))).encode()
    return bytes(content)


def changed(tree, draw):
    """A tree of lists and dicts, in which one entry is missing or is something else."""
    tree = copy.deepcopy(tree)
    inner = tree
    while True:
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        key = draw.choice(keys)
        if isinstance(inner[key], dict | list) and inner[key] and draw.random() < 0.85:
            inner = inner[key]
        elif draw.random() < 0.2:
            del inner[key]
            return tree
        else:
            inner[key] = draw.choice(WRONG)
            return tree


def crafted(name, content, draw):
    """A file whose checksums are right, with contents that are not; only of formats that have checksums."""
    if name == "onnx":
        return damaged_onnx.crafted(content, draw)
    if name == "state":
        document = json.loads(content)
        del document["sha256"]
        document["state"] = changed(document["state"], draw)
        return json.dumps({"sha256": checkpoints._digest(document), **document}).encode()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8:8 + length])
    if name == "model":
        settings = changed(json.loads(header["__metadata__"]["settings"]), draw)
        header["__metadata__"]["settings"] = json.dumps(settings)
    else:
        header = changed(header, draw)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length:]


def outcomes(folder, count, seed=0, *only):
    """Read `count` damaged files: for each its format, and "accepted", "refused" or what else happened.

    Where formats are named, those of no other are read.
    """
    folder = Path(tempfile.mkdtemp(dir=folder))
    files = sound_files(folder)
    sound = {name: path.read_bytes() for name, (path, _) in files.items()}
    names = list(only or files)
    for number in range(count):
        draw = random.Random(seed * 1_000_003 + number)
        name = names[number % len(names)]
        path, read = files[name]
        craft = name == "state" or (name in ("model", "weights", "onnx") and draw.random() < 0.6)
        path.write_bytes(crafted(name, sound[name], draw) if craft else damaged(sound[name], draw))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read(path)
            result = "accepted"
        except FormatError:
            result = "refused"
        except ValueError as error:
            # a state of another run, or a figure of it that is no number
            foreign = name == "state" and ("the checkpoint " in str(error) or "epochs=" in str(error))
            result = "refused" if foreign else f"{number}: {traceback.format_exc()}"
        except FloatingPointError:  # what was trained with numbers that are none
            result = "accepted" if name == "state" else f"{number}: {traceback.format_exc()}"
        except Exception:
            result = f"{number}: {traceback.format_exc()}"
        finally:
            path.write_bytes(sound[name])
        yield name, result


def tally(outcomes, room, warm_up, count, seed=0, *only):
    """Read so many files within a limit of memory, and print what came of each format; the exit status.

    `outcomes` reads them, `warm_up` of them before the limit is set: whatever is loaded only once. `room` is
    how many bytes the process may take beyond what it has then.
    """
    import resource

    with tempfile.TemporaryDirectory() as folder:
        list(outcomes(Path(folder), warm_up))
        pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 1 << 20
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + room,) * 2)
        counts, wrong = collections.Counter(), []
        for name, result in outcomes(Path(folder), count, seed, *only):
            known = result in ("accepted", "refused")
            counts[name, result if known else "wrong"] += 1
            wrong += [] if known else [f"{name}, {result}"]
    for name in dict.fromkeys(name for name, _ in counts):
        print(f"{name:22}", *(f"{counts[name, how]:6} {how}" for how in ("accepted", "refused", "wrong")))
    print(*wrong[:20], f"{count} damaged files, {len(wrong)} neither accepted nor refused", sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(tally(outcomes, ROOM, 30, *map(int, sys.argv[1:3]), *sys.argv[3:]))
