"""docs/gpu.md lists all kernels; the assembler's report is parsed; and, with NVRTC, kernels compile."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from cnnkit_cupy import kernels
from cnnkit_cupy.launcher import KERNELS
from cnnkit_cupy.sources import source
from cnnkit_cupy.static import compiling, disassembly, page
from cnnkit_cupy.static.compiling import Compiled, Usage, compile_module, faults, remarks, resources
from cnnkit_cupy.static.occupancy import LIMITS

PAGE = (Path(__file__).parents[3] / "docs" / "gpu.md").read_text(encoding="utf-8")
# ReLU is served in chains alone
OPS = {key for key in kernels.kernels("cupy") if isinstance(key, str)} | {"relu"}
# NVRTC 13.5 for sm_120; the stack frame and the spills of the second kernel are made up
LOG = """\
norm.cu(23): warning #177-D: variable "never_read" was declared but never referenced
      SHARED(Sums, sums); int never_read;
                              ^

ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z10batch_normIfE' for 'sm_120'
ptxas info    : Function properties for _Z10batch_normIfE
ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 1024 bytes smem
ptxas info    : Compile time = 71.695 ms
ptxas info    : Compiling entry function 'random_bits' for 'sm_120'
ptxas info    : Function properties for random_bits
ptxas         .     24 bytes stack frame, 16 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 25 registers, used 0 barriers
"""


def test_the_page_lists_the_kernels_of_the_table():
    assert page.section(PAGE, "kernels") == page.listing(compiling.table()), "run `tox -e cuda-static`"


def test_the_page_reports_every_instance_on_every_architecture():
    report = page.section(PAGE, "report")
    assert re.findall(r"^\| `(.*?)` \|", report, re.MULTILINE) == sorted(KERNELS), "run `tox -e cuda-static`"
    assert re.findall(r"sm_(\d+)", report.split("\n| ---")[0]) == [str(n) for n in LIMITS]


def test_the_page_was_made_from_these_sources_and_this_table():
    stated = re.search(r"Sources and table: `(\w+)`", page.section(PAGE, "report")).group(1)
    assert stated == page.fingerprint(compiling.table()), ("docs/gpu.md was made from others: "
                                                           "run `tox -e cuda-static`")


def test_a_change_of_a_source_or_a_row_changes_the_fingerprint(monkeypatch):
    before = page.fingerprint(KERNELS)
    row = replace(KERNELS["random_bits"], dynamic=16)
    assert page.fingerprint({**KERNELS, "random_bits": row}) != before
    monkeypatch.setattr(page, "source", lambda module: source(module) + " " * (module == "norm"))
    assert page.fingerprint(KERNELS) != before


def test_the_page_says_which_figures_come_from_a_gpu():
    assert re.match(r"\*\*No GPU has run any of this yet\.\*\*|Measured on one ",
                    page.section(PAGE, "measured"))


def test_every_kernel_serves_an_op_and_every_op_has_a_kernel():
    assert {op for kernel in KERNELS.values() for op in kernel.ops} == OPS
    assert all(kernel.ops for kernel in KERNELS.values())


def test_resources_are_read_from_the_assemblers_words():
    assert resources(LOG) == {"_Z10batch_normIfE": Usage(registers=40, stack=0, spills=0, shared=1024),
                              "random_bits": Usage(registers=25, stack=24, spills=28, shared=0)}


def test_remarks_are_what_is_left_with_the_line_of_the_source():
    assert remarks(LOG).splitlines() == [line.rstrip() for line in LOG.splitlines()[:3]]
    assert remarks(LOG[LOG.index("ptxas"):]) == ""


@pytest.mark.parametrize(("name", "usage", "remark", "message"), [
    ("random_bits", Usage(25, 0, 0, 0), "random.cu(3): warning", r"random\.cu\(3\): warning"),
    ("random_bits", Usage(25, 24, 28, 0), "", "random_bits for sm_90 spills 28 bytes"),
    ("random_bits", Usage(25, 0, 0, 300 << 10), "",
     "a block takes 307200 bytes of shared memory, and may have 232448"),
    ("random_bits", Usage(25, 0, 0, 8), "", "8 bytes of shared memory, and its row in the table says 0"),
    ("conv2d_tensor<__half, TensorThin>", Usage(120, 0, 0, 0, 5.25), "",
     "sm_90 has 5.25 instructions for each product of tensor cores, and may have 5"),
    ("conv2d<float, Large, vector>", Usage(129, 0, 0, 19808), "",
     "1 blocks on a multiprocessor, and its launch bounds promise"),
])
def test_faults_are_named(name, usage, remark, message):
    reasons = faults(KERNELS[name].module, 90, Compiled({name: usage}, remark))
    assert re.search(message, reasons[-1])


# as cuda_occupancy.h of CUDA 13 counts
@pytest.mark.parametrize(("arch", "threads", "registers", "shared", "blocks"), [
    (75, 256, 64, 0, 4), (75, 256, 89, 8704, 2), (80, 256, 32, 1024, 8),
    (86, 256, 40, 1024, 6), (89, 64, 16, 0, 24),
    (90, 256, 92, 8704, 2), (90, 224, 68, 0, 4), (100, 256, 16, 65536, 3), (120, 128, 24, 20000, 4),
])
def test_occupancy_is_nvidias(arch, threads, registers, shared, blocks):
    assert LIMITS[arch].blocks((threads, 1, 1), registers, shared) == blocks


@pytest.fixture(scope="module")
def nvrtc():
    try:
        compiling.version()
    except Exception as error:
        pytest.skip(f"NVRTC is not here (pip install cuda-bindings nvidia-cuda-nvrtc): {error}")


def test_a_file_compiles_without_fault(nvrtc):
    compiled = compile_module("norm", 75)
    assert set(compiled.usage) == {name for name, kernel in KERNELS.items() if kernel.module == "norm"}
    assert faults("norm", 75, compiled) == []


def test_a_module_on_tensor_cores_is_counted_and_has_nothing_for_older_architectures(nvrtc):
    if not shutil.which(disassembly.program()):
        pytest.skip("nvdisasm is not here (pip install nvidia-cuda-nvdisasm)")
    compiled = compile_module("conv_tensor_weights", 80)
    assert all(3 < usage.per_product < (6.5 if "<float" in name else 5)
               for name, usage in compiled.usage.items())
    assert faults("conv_tensor_weights", 80, compiled) == []
    assert compile_module("conv_tensor_weights", 75) == Compiled({}, "")


def test_a_warning_is_a_fault_and_an_error_raises_both_with_the_line(nvrtc):
    text = source("norm")
    warned = compile_module("norm", 75, f"{text}\n__device__ void extra() {{ int unread; }}\n")
    fault, = faults("norm", 75, warned)
    assert re.search(r"norm\.cu\(\d+\): warning.*\n.*int unread;", fault)
    with pytest.raises(RuntimeError, match=r"norm\.cu\(\d+\): error(.*\n)+.*int broken = mistake;"):
        compile_module("norm", 75, f"{text}\nint broken = mistake;\n")


def test_the_options_are_cupys():
    core = pytest.importorskip("cupy._core.core", reason="cupy is not installed", exc_type=ImportError)
    assembled = core.assemble_cupy_compiler_options(compiling.OPTIONS)
    assert [option for option in assembled if not option.startswith("-I")] == list(compiling.OPTIONS)
