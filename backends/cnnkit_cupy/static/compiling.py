"""Compile every instance of the table by NVRTC, with CuPy's options; it needs neither a driver nor a GPU."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from cnnkit_cupy import kernels
from cnnkit_cupy.device import OPTIONS
from cnnkit_cupy.launcher import KERNELS, Kernel
from cnnkit_cupy.sources import source
from cnnkit_cupy.static.disassembly import disassembled, multiply_adds, per_product
from cnnkit_cupy.static.occupancy import LIMITS

TENSOR_CORES = 80  # the lowest architecture of kernels on tensor cores
MOST_PER_PRODUCT, MOST_PER_TF32 = 5.0, 6.5  # of TF32 the numbers are rounded in the loop

# The options that CuPy 14 adds to a RawModule's, without the folders of headers: our sources include none.
CUPYS = ("-ftz=true", "--device-as-default-execution-space")


@dataclass(frozen=True)
class Usage:
    """One kernel's resources as the assembler reports them: registers of a thread; the others in bytes.

    Of a kernel on tensor cores also how many instructions its main loop has for each of their products; of
    another one that multiplies, the share of multiply-adds of float32 in its main loop.
    """

    registers: int
    stack: int
    spills: int
    shared: int
    per_product: float | None = None
    multiply_adds: float | None = None


@dataclass(frozen=True)
class Compiled:
    """One source for one architecture: the usage of each instance, and the compiler's remarks."""

    usage: dict[str, Usage]
    remarks: str


def table() -> dict[str, Kernel]:
    """All instances, those of every op."""
    kernels.kernels("cupy")  # the host code of each op, imported here, declares its instances
    return KERNELS


def options(arch: int) -> tuple[str, ...]:
    """The options that CuPy would give to NVRTC."""
    return (*OPTIONS, *CUPYS, f"-arch=sm_{arch}")


def version() -> str:
    """The version of NVRTC."""
    from cuda.bindings import nvrtc

    return ".".join(map(str, _call(nvrtc.nvrtcVersion)))


def compile_module(module: str, arch: int, text: str | None = None) -> Compiled:
    """Compile ``cuda/<module>.cu``, or `text` in its place, with the instances for this architecture.

    Raises
    ------
    RuntimeError
        If it does not compile; the message is the compiler's, with file, line, and the line itself.
    """
    from cuda.bindings import nvrtc

    names = [k.name for k in table().values() if k.module == module and k.arch <= arch]
    if not names:
        return Compiled({}, "")
    program = _call(nvrtc.nvrtcCreateProgram, (text or source(module)).encode(),
                    f"{module}.cu".encode(), 0, [], [])
    try:
        for name in names:
            _call(nvrtc.nvrtcAddNameExpression, program, name.encode())
        flags = [option.encode() for option in (*options(arch), "--ptxas-options=-v")]
        status, = nvrtc.nvrtcCompileProgram(program, len(flags), flags)
        buffer = b" " * _call(nvrtc.nvrtcGetProgramLogSize, program)
        _call(nvrtc.nvrtcGetProgramLog, program, buffer)
        log = buffer.rstrip(b"\0 ").decode(errors="replace")
        if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            raise RuntimeError(f"{module}.cu does not compile for sm_{arch}: {status.name}\n{log}")
        by_mangled_name = resources(log)
        mangled = {name: _call(nvrtc.nvrtcGetLoweredName, program, name.encode()).decode() for name in names}
        usage = {name: by_mangled_name[mangled[name]] for name in names}
        cubin = b" " * _call(nvrtc.nvrtcGetCUBINSize, program)
        _call(nvrtc.nvrtcGetCUBIN, program, cubin)
        code = disassembled(cubin)
        usage = {name: replace(usage[name], per_product=per_product(code[mangled[name]]),
                               multiply_adds=multiply_adds(code[mangled[name]])) for name in names}
        return Compiled(usage, remarks(log))
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def _call(function: Any, *arguments: Any) -> Any:
    status, *results = function(*arguments)
    if status.value:
        raise RuntimeError(f"{function.__name__}: {status.name}")
    return results[0] if len(results) == 1 else results


def resources(log: str) -> dict[str, Usage]:
    """What ``ptxas -v`` says of each kernel, by its mangled name."""
    usages = {}
    for part in re.split(r"Compiling entry function '", log)[1:]:
        spilled = re.search(
            r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", part)
        registers, shared = re.search(r"Used (\d+) registers", part), re.search(r"(\d+) bytes smem", part)
        if spilled is None or registers is None:
            raise ValueError(f"ptxas does not say what a kernel uses: {part!r:.200}")
        stack, stores, loads = map(int, spilled.groups())
        usages[part[:part.index("'")]] = Usage(int(registers.group(1)), stack, stores + loads,
                                               int(shared.group(1)) if shared else 0)
    return usages


def remarks(log: str) -> str:
    """What the compiler says beyond the resources: warnings, with file, line, and the line itself."""
    return "\n".join(line for line in log.splitlines() if not re.match(r"ptxas (info|  +\.)", line)).strip()


def faults(module: str, arch: int, compiled: Compiled) -> list[str]:
    """Why the build should fail: a remark, a spill, or a row of the table that the compiler contradicts."""
    reasons = [f"{module}.cu for sm_{arch}:\n{compiled.remarks}"] if compiled.remarks else []
    for name, usage in compiled.usage.items():
        kernel = KERNELS[name]
        label = f"{name} for sm_{arch}"
        if usage.spills:
            reasons.append(f"{label} spills {usage.spills} bytes of registers")
        most = MOST_PER_TF32 if "<float" in name else MOST_PER_PRODUCT
        if usage.per_product and usage.per_product > most:
            reasons.append(f"{label} has {usage.per_product:.2f} instructions for each product of tensor "
                           f"cores, and may have {most:g}")
        if usage.shared != kernel.shared:
            reasons.append(f"{label} has {usage.shared} bytes of shared memory, "
                           f"and its row in the table says {kernel.shared}")
        shared = usage.shared + kernel.dynamic
        if shared > LIMITS[arch].most_shared:
            reasons.append(f"{label}: a block takes {shared} bytes of shared memory, "
                           f"and may have {LIMITS[arch].most_shared}")
            continue
        blocks = LIMITS[arch].blocks(kernel.block, usage.registers, shared)
        if blocks < (kernel.launch_bounds[1:] or (1,))[0]:
            reasons.append(f"{label}: {blocks} blocks on a multiprocessor, "
                           f"and its launch bounds promise {kernel.launch_bounds[1:]}")
    return reasons
