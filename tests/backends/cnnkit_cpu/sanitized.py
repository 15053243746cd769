"""Run the conformance cases that have a C++ kernel on a library built elsewhere: ``sanitized.py FOLDER ISA``."""

import sys
from pathlib import Path

import numpy as np
from cnnkit_cpu import activation, conv, library, linear, loss, memory, norm, pool, random, update
from cnnkit_cpu.kernels import table

from cnnkit import conformance


def plain(shape, dtype=memory.FLOAT):
    """Memory without the pool's slack, so that reading beyond an array is seen."""
    return np.empty(shape, dtype)


def main(folder: str, isa: str) -> None:
    """Exit with the number of failures; the sanitizer ends the process at the first bad access."""
    library.active = library.Library(isa, Path(folder) / f"libcnnkit_{isa}.so")
    library.available = lambda: True
    table.available = library.available
    library.threads = 2
    for module in (memory, activation, conv, linear, loss, norm, pool, random, update):  # a block of its own for each array
        module.empty = plain
    memory.pool.empty = plain
    failures = 0
    with conformance.Target("cpu").entered() as target:
        cases = [c for c in conformance.EVERY_CASE if (c.ops[0] if len(c.ops) == 1 else c.ops) in table.load()]
        for case in cases:
            for check, message in conformance.run_case(case, target).failures:
                failures += 1
                print(f"{case.id}: {check}: {message}")
    print(f"{isa}: {len(cases)} cases under the sanitizers, {failures} failures")
    sys.exit(min(failures, 1))


if __name__ == "__main__":
    main(*sys.argv[1:])
