"""A corpus of damaged and malicious weight files, made from sound ones and by hand, the same at every run.

``python tests/damaged_weights.py 10000`` reads so many, in a process whose memory is limited, and prints what
came of them. Each must be accepted, or refused by a FormatError; none may run code, which would make a file.
"""

import functools
import io
import json
import pickle
import random
import struct
import sys
import tempfile
import traceback
import zipfile
from pathlib import Path

from damaged_files import HUGE, changed, damaged, tally

import cnnkit
from cnnkit import nn, safetensors
from cnnkit.serialization.archives import MAGIC
from cnnkit.serialization.program import Program
from cnnkit.storage import FormatError

ROOM = 1 << 29  # bytes that the process may take beyond what it has when it begins
DEEP = 50_000  # levels, more than Python's stack has
CANARY = "code-was-run"
NAMES = ("posix\nsystem", "os\nsystem", "builtins\neval", "builtins\nexec", "__builtin__\neval", "nt\nsystem",
         "subprocess\nPopen", "builtins\ngetattr", "builtins\n__import__", "importlib\nimport_module",
         "torch\nload", "torch.storage\n_load_from_bytes", "torch.hub\nload",
         "numpy.core.multiarray\n_reconstruct", "copy_reg\n_reconstructor", "cnnkit.storage.writing\nremove",
         "torch.nn.modules.linear\nLinear",
         "torch._utils\n_rebuild_qtensor", "functools\npartial", "operator\nattrgetter", "types\nCodeType",
         "collections\ndefaultdict", "torch\nQInt8Storage", "torch\nsparse_coo", "__main__\nNet")
STATE = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2)).state_dict()
CONTENT = {"state": STATE, "epoch": 3, "best": 0.5, "names": ["a", "b"], "none": None,
           "wide": cnnkit.tensor([1], dtype="uint16"), "pair": (1, 2.5), "bytes": b"ab", "set": {1, 2},
           "big": 2**70}


def zipped(program, storages, names=("data.pkl", "data/"), **more):
    """A PyTorch file of a program and storages; checksums are right."""
    stream = io.BytesIO()
    compression = more.pop("compression", zipfile.ZIP_STORED)
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in ((names[0], program), ("byteorder", b"little"), ("version", b"3\n"),
                           *((f"{names[1]}{key}", data) for key, data in enumerate(storages)), *more.items()):
            archive.writestr(zipfile.ZipInfo(f"archive/{name}"), data, compression)
    return stream.getvalue()


def old_form(program, storages, counts, keys=None):
    """A file of the form before PyTorch 1.6."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    keys = [str(key) for key in range(len(storages))] if keys is None else keys
    head = b"".join(pickle.dumps(part, 2) for part in (MAGIC, 1001, system))
    return (head + program.replace(b"tQ", b"NtQ") + pickle.dumps(keys, 2)
            + b"".join(struct.pack("<q", n) + data for n, data in zip(counts, storages)))


@functools.cache
def parts():
    """The program and the storages of a sound file, and how many numbers each storage has."""
    maker = Program()
    program = maker.of(CONTENT)
    counts = [*(value.numel() for value in STATE.values()), len(maker.storages[-1])]  # the last are bytes
    return program, maker.storages, counts


def sound_files():
    """Name -> (contents, what reads them from a path)."""
    program, storages, counts = parts()
    weights = safetensors.to_bytes({**STATE, "half": STATE["0.weight"].half()}, {"made by": "cnnkit"})

    def opened(path):
        with safetensors.open_file(path) as file:
            return {name: file[name] for name in file}

    return {"pt": (zipped(program, storages), cnnkit.load), "old pt": (old_form(program, storages, counts),
                                                                       cnnkit.load),
            "program": (zipped(program, storages), cnnkit.load), "old program": (b"", cnnkit.load),
            "attack": (b"", cnnkit.load), "tensor": (b"", cnnkit.load),
            "safetensors": (weights, cnnkit.load), "safetensors opened": (weights, opened)}


def with_header(content, draw):
    """A safetensors file whose header is sound JSON with something wrong in it."""
    length = int.from_bytes(content[:8], "little")
    text = json.dumps(changed(json.loads(content[8:8 + length]), draw)).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length:]


def attack(draw):
    """A file that names code, wants memory, or goes deep."""
    name = draw.choice(NAMES).encode()
    words = pickle.dumps((f"touch {CANARY}",), 2)[2:-1]
    module, _, last = name.partition(b"\n")
    text = b"X" + struct.pack("<I", len(module)) + module + b"X" + struct.pack("<I", len(last)) + last
    code = pickle.dumps((f"open({CANARY!r}, 'w')",), 2)[2:-1]
    huge, many = draw.choice(HUGE), 1_100_000 if draw.random() < 0.02 else 3000
    program = draw.choice((
        lambda: b"c" + name + b"\n" + draw.choice((words, code)) + b"R.",
        lambda: b"\x80\x04" + text + b"\x93" + draw.choice((words, code)) + b"R.",
        lambda: b"c" + name + b"\n" + draw.choice((words, code)) + b"\x81.",
        lambda: b"(" + words + b"i" + name + b"\n.",
        lambda: b"(c" + name + b"\n" + words + b"o.",
        lambda: b"c" + name + b"\n)R}" + words + b"sb.",
        lambda: b"}X\x01\x00\x00\x00ac" + name + b"\ns.",
        lambda: b"ctorch._utils\n_rebuild_tensor_v2\nc" + name + b"\n" + words + b"R\x85R.",
        lambda: b"ctorch._tensor\n_rebuild_from_type_v2\n(c" + name + b"\nc" + name + b"\n" + words + b"NtR.",
        lambda: b"ccollections\nOrderedDict\n)R}X\x09\x00\x00\x00__class__c" + name + b"\nsb.",
        lambda: b"\x82\x01.",
        lambda: b"P" + name.replace(b"\n", b".") + b"\n.",
        lambda: b"X" + struct.pack("<I", huge & 0xFFFFFFFF) + b"abc.",
        lambda: b"\x8e" + struct.pack("<Q", huge & (2**64 - 1)) + b"abc.",
        lambda: b"\x96" + struct.pack("<Q", huge & (2**64 - 1)) + b"abc.",
        lambda: b"\x8b" + struct.pack("<i", draw.choice((2**31 - 1, -1, 10**6))) + b"abc.",
        lambda: b"L" + b"9" * draw.choice((10, 5000, 100_000)) + b"\n.",
        lambda: b"}" + b")" + b"\x85" * draw.choice((5, DEEP)) + b"Ns.",
        lambda: b"\x8f(" + b")" + b"\x85" * DEEP + b"\x90.",
        lambda: b"]" * DEEP + b"a" * (DEEP - 1) + b".",
        lambda: b"}" * many + b".",
        lambda: b"\x8f" * many + b".",
        lambda: b"N" + b"\x94" * many + b".",
        lambda: b"K\x01" * draw.choice((3, many)) + b".",
        lambda: b"]q\x00" + b"(" + b"h\x00" * 1000 + b"e.",
        lambda: b"ccollections\nCounter\n]\x85R.",
        lambda: b"c__builtin__\nset\n](]]e\x85R."))()
    return old_form(program, [], []) if draw.random() < 0.3 else zipped(
        program, [], compression=draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))


def tensor(draw):
    """A file of one Tensor whose facts do not go together."""
    def number():
        return draw.choice((0, 1, 2, 4, 6, -1, 3, 2**31, 2**62, 2**64, 2.0, "4", None, True))

    def whole():
        return draw.choice((0, 1, 2, 3, 6))

    value = number if draw.random() < 0.5 else whole
    size = tuple(value() for _ in range(draw.choice((0, 1, 2, 2, 3, 40))))
    stride = tuple(value() for _ in range(len(size) if draw.random() < 0.8 else 2))
    kind = draw.choice(("FloatStorage", "HalfStorage", "BoolStorage", "QInt8Storage", "ComplexDoubleStorage",
                        "BFloat16Storage"))
    version = draw.choice(("v2", "v2", "v2", "v3"))
    maker = Program()

    def written(part):
        return maker.of(part)[2:-1]  # all up to here: the last call has everything

    maker._global("torch._utils", f"_rebuild_tensor_{version}")
    maker._out += b"(("
    written("storage")
    maker._global("torch", kind)
    for part in (draw.choice(("0", "0", "0", "1", 0, "../data.pkl")), "cpu",
                 draw.choice((6, 6, 6, 0, 7, -1, 2**40, 2**62, "6"))):
        written(part)
    maker._out += b"tQ"
    for part in (draw.choice((0, 0, value())), size, stride, False, {}):
        written(part)
    if version == "v3":
        maker._global("torch", draw.choice(("float64", "uint16", "float8_e4m3fn", "qint8", "bits8")))
    maker._out += b"tR"
    program, storages = bytes(maker._out) + b".", [bytes(24)]
    return old_form(program, storages, [6]) if draw.random() < 0.3 else zipped(program, storages)


def content_of(name, sound, draw):
    """One damaged file."""
    if name == "attack":
        return attack(draw)
    if name == "tensor":
        return tensor(draw)
    program, storages, counts = parts()
    if name == "program":
        program = damaged(program, draw)
        storages = [damaged(data, draw) if draw.random() < 0.2 else data for data in storages]
        return zipped(program, storages, ("data.pkl", draw.choice(("data/", "data/", "data/x"))))
    if name == "old program":
        counts = [draw.choice((*HUGE, n)) % 2**63 if draw.random() < 0.1 else n for n in counts]
        program = damaged(program, draw) if draw.random() < 0.7 else program
        return old_form(program, storages, counts, draw.choice((None, None, ["0"], [], {}, [0, 1], None)))
    if name.startswith("safetensors") and draw.random() < 0.6:
        return with_header(sound, draw)
    return damaged(sound, draw)


def outcomes(folder, count, seed=0):
    """Read `count` damaged files: for each its kind, and "accepted", "refused" or what else happened."""
    folder = Path(tempfile.mkdtemp(dir=folder))
    files = sound_files()
    names = list(files)
    for number in range(count):
        draw = random.Random(seed * 1_000_003 + number)
        name = names[number % len(names)]
        sound, read = files[name]
        path = folder / "weights"
        path.write_bytes(content_of(name, sound, draw))
        try:
            read(path)
            result = "accepted"
        except FormatError as error:
            result = "refused" if str(path) in str(error) else f"{number}: no name of the file in {error}"
        except Exception:
            result = f"{number}: {traceback.format_exc()}"
        if Path(CANARY).exists():
            result = f"{number}: code was run"
        yield name, result


if __name__ == "__main__":
    sys.exit(tally(outcomes, ROOM, 64, *map(int, sys.argv[1:])))
