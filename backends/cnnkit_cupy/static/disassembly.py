"""What the machine code says of a kernel's main loop: its instructions, and how many of them multiply."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import tempfile
from pathlib import Path

__all__ = ["disassembled", "loops", "multiply_adds", "per_product", "program"]

PACKAGE = "nvidia-cuda-nvdisasm"
FEWEST = 16  # multiply-adds of a loop that is about them


def disassembled(cubin: bytes) -> dict[str, str]:
    """The machine code of each kernel of a module, by its mangled name, as nvdisasm prints it.

    Raises
    ------
    RuntimeError
        If nvdisasm is not installed, or refuses the module.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "module.cubin")
        path.write_bytes(cubin)
        try:
            process = subprocess.run([program(), "--print-code", str(path)], capture_output=True, text=True,
                                     check=False)
        except FileNotFoundError:
            raise RuntimeError(f"the machine code is read by nvdisasm: pip install {PACKAGE}") from None
    if process.returncode:
        raise RuntimeError(f"nvdisasm: {process.stderr.strip()}")
    parts = re.split(r"^\s*\.section\s+\.text\.([\w$]+)", process.stdout, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def program() -> str:
    """nvdisasm from NVIDIA's wheel, or from the path."""
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    found = (str(file.locate()) for file in files if file.name in ("nvdisasm", "nvdisasm.exe"))
    return next(found, "nvdisasm")


def per_product(code: str) -> float | None:
    """Instructions of the loop with products (``HMMA``) over its products; the most, if there are several.

    >>> per_product('''.L_1:
    ...         /*0010*/                   LDSM.16.M88.4 R4, [R8] ;
    ...         /*0020*/                   HMMA.16816.F32 R4, R8, R12, R4 ;
    ...         /*0030*/              @!P0 BRA `(.L_1) ;
    ...         /*0040*/                   EXIT ;''')
    3.0
    """
    counts = [(len(body), sum(name.startswith("HMMA.") for name in body)) for _, body in loops(code)]
    return max((length / products for length, products in counts if products), default=None)


def multiply_adds(code: str) -> float | None:
    """The share of multiply-adds of float32 (``FFMA``) in the main loop: the innermost that has the most.

    ``None`` where no loop has as many as `FEWEST`: then it is not what the kernel is about.

    >>> line = "        /*0010*/                   FFMA R4, R8, R12, R4 ;\\n"
    >>> multiply_adds(".L_1:\\n" + 16 * line + "        /*0110*/ @P0 BRA `(.L_1) ;\\n")
    0.9411764705882353
    """
    found = [(start, len(body), sum(name.startswith("FFMA") for name in body)) for start, body in loops(code)]
    found = [loop for loop in found if loop[2] >= FEWEST]
    innermost = [(start, length, count) for start, length, count in found
                 if not any(start <= other and other + size <= start + length and size < length
                            for other, size, _ in found)]
    if not innermost:
        return None
    _, length, count = max(innermost, key=lambda loop: loop[2])
    return count / length


def loops(code: str) -> list[tuple[int, list[str]]]:
    """Every loop: where it starts, and its instructions from the label to the branch that goes back to it."""
    operations: list[str] = []
    labels: dict[str, int] = {}
    found = []
    for line in code.splitlines():
        if label := re.match(r"\s*\.(L\w+):", line):
            labels[label.group(1)] = len(operations)
        elif operation := re.search(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\S+\s+)?([A-Z][\w.]*)(.*)", line):
            operations.append(operation.group(1))
            target = re.search(r"`\(\.(L\w+)\)", operation.group(2))
            if operation.group(1).startswith("BRA") and target and target.group(1) in labels:
                start = labels[target.group(1)]
                found.append((start, operations[start:]))
    return found
