"""Run the conformance cases with a C++ kernel on a library built elsewhere: ``sanitized.py FOLDER [ISA]``.

Without an instruction set: on each library of the folder that this processor can run.
"""

import sys
from pathlib import Path

import numpy as np
from cnnkit_cpu import (
    activation,
    channels_last,
    choice,
    conv,
    depthwise,
    gathering,
    group_norm,
    joining,
    layout,
    library,
    linear,
    loss,
    memory,
    norm,
    pixels,
    plan,
    pool,
    random,
    resampling,
    update,
)
from cnnkit_cpu.kernels import table

import cnnkit
from cnnkit import conformance, nn
from cnnkit import functional as F
from cnnkit.conformance.kernels import matches


def plain(shape, dtype=memory.FLOAT):
    """Memory without the pool's slack, so that reading beyond an array is seen."""
    return np.empty(shape, dtype)


def many_channels() -> None:
    """Channels that are no multiple of a vector's lanes, what follows a convolution, incomplete blocks."""
    rng = np.random.default_rng(0)

    def tensor(*shape: int) -> cnnkit.Tensor:
        return cnnkit.tensor(rng.standard_normal(shape, dtype=np.float32), requires_grad=True)
    for name in ("product", "winograd2", "winograd4"):
        with choice.algorithm(name):
            for C, K, size in ((33, 70, 5), (300, 290, 4), (17, 35, 13)):
                norm = nn.BatchNorm2d(K)
                y = F.conv2d(tensor(3, C, size, size), tensor(K, C, 3, 3), tensor(K), padding=1)
                z = F.relu(norm(y) + F.conv2d(tensor(3, C, size, size), tensor(K, C, 1, 1)))
                (F.max_pool2d(z, 2).sum() + F.avg_pool2d(z, 3, 2).sum()).backward()
                y = F.conv2d(z.detach(), tensor(K, 1, 3, 3), padding=1, stride=size % 2 + 1, groups=K)
                y = F.silu(norm(y))
                y = cnnkit.cat([F.group_norm(y, 5), F.conv2d(y, tensor(40, K, 1, 1))], 1)
                F.interpolate(y, scale_factor=2, mode="bilinear").mean((2, 3)).sum().backward()


def dense_layers() -> None:
    """Few and many rows and columns, none a multiple of a vector's lanes, and more than fit a block."""
    rng = np.random.default_rng(0)
    for N, I, O in ((1, 33, 7), (23, 21, 130), (30, 131, 25), (150, 9, 270), (129, 277, 3)):
        x, w, b = (cnnkit.tensor(rng.standard_normal(s, dtype=np.float32), requires_grad=True)
                   for s in ((N, I), (O, I), (O,)))
        (F.relu(F.linear(x, w, b)) + F.linear(x, w)).sum().backward()


def main(folder: str, *isas: str) -> None:
    """Exit with 1 after a failure; the sanitizer ends the process at the first bad access."""
    if not isas:
        level = library.Library("generic", Path(folder) / "libcnnkit_generic.so").cpu_level()
        isas = tuple(isa for isa in library.LEVELS if library.LEVELS[isa] <= level)
    sys.exit(max([check_library(folder, isa) for isa in isas]))


def check_library(folder: str, isa: str) -> int:
    """1 if a case fails on the library of an instruction set, else 0."""
    library.active = library.Library(isa, Path(folder) / f"libcnnkit_{isa}.so")
    library.available = lambda: True
    table.available, table.missing = library.available, lambda: ""
    library.threads = 2
    for module in (memory, activation, channels_last, conv, depthwise, gathering, group_norm, joining, layout,
                   linear, loss, norm, pixels, plan, pool, random, resampling, update):
        module.empty = plain  # a block of its own for each array
    memory.pool.empty = plain
    failures, count = 0, 0
    with conformance.Target("cpu").entered() as target:
        cases = [c for c in conformance.EVERY_CASE if any(matches(key, c.kernel) for key in table.load())]
        convolutions = [c for c in cases if isinstance(c, conformance.OpCase) and c.ops[0] == "conv"]
        for name in (None, "product", "winograd2", "winograd4"):
            with choice.algorithm(name):
                for case in cases if name is None else convolutions:
                    count += 1
                    for check, message in conformance.run_case(case, target).failures:
                        if name != "winograd4":  # it rounds more; test_channels_last.py has its tolerance
                            failures += 1
                            print(f"{case.id}, {name}: {check}: {message}")
    many_channels()
    dense_layers()
    print(f"{isa}, {library.active.cpu_compiler().decode()}: {count} cases, {failures} failures")
    return min(failures, 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
