"""What the machine code says: how many instructions the main loop has for each product of tensor cores."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import tempfile
from pathlib import Path

__all__ = ["disassembled", "per_product", "program"]

PACKAGE = "nvidia-cuda-nvdisasm"


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
    operations: list[str] = []
    labels: dict[str, int] = {}
    ratios = []
    for line in code.splitlines():
        if label := re.match(r"\s*\.(L\w+):", line):
            labels[label.group(1)] = len(operations)
        elif operation := re.search(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\S+\s+)?([A-Z][\w.]*)(.*)", line):
            operations.append(operation.group(1))
            target = re.search(r"`\(\.(L\w+)\)", operation.group(2))
            if operation.group(1).startswith("BRA") and target and target.group(1) in labels:
                body = operations[labels[target.group(1)]:]
                if products := sum(name.startswith("HMMA.") for name in body):
                    ratios.append(len(body) / products)
    return max(ratios, default=None)
