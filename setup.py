"""The C++ part: a library for each instruction set, without Python in it. All else is in pyproject.toml.

``CNNKIT_ISAS`` says for which instruction sets: ``native`` (when it is not set) for the best that this
machine's processor has and the baseline ``generic``; ``all`` for wheels that others install; a list such as
``avx2,generic``; or ``none``. Beside a better one the baseline serves other processors and tests, and is
compiled with fewer optimizations, in half the time. What cannot be built is left out, and ``build.json``
beside the libraries says why: cnnkit then runs on what there is.
"""

import ctypes
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from glob import glob
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

SOURCES = "backends/cnnkit_cpu/src"
REPORT = "cnnkit_cpu/build.json"  # from the folder of the libraries' package; read by cnnkit_cpu/built.py
FLAGS = ["-std=c++17", "-g0", "-pthread", "-fvisibility=hidden",
         "-fno-math-errno", "-fno-trapping-math",
         "-Wno-psabi"]
LINK_FLAGS = ["-pthread"]
if sys.platform == "linux":  # what stops a bug from being an attack; kernels are as fast with it
    FLAGS += ["-fstack-protector-strong", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"]
    LINK_FLAGS += ["-Wl,-z,relro,-z,now,-z,noexecstack"]
ISAS = {"generic": []}
if platform.machine().lower() in ("x86_64", "amd64"):
    ISAS["avx2"] = ["-mavx2", "-mfma"]
    ISAS["avx512"] = [*ISAS["avx2"], "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl",
                      "-mprefer-vector-width=512"]
LEVELS = ["generic", "avx2", "avx512"]  # by `cpu_level` of src/core/runtime.h

WANTED = os.environ.get("CNNKIT_ISAS", "native")
if unknown := {*WANTED.split(",")} - ({WANTED} & {"native", "all", "none"}) - {*ISAS}:
    raise SystemExit(f"CNNKIT_ISAS={WANTED}: {', '.join(sorted(unknown))} is no instruction set; "
                     f"set it to native, all, none or some of {','.join(ISAS)}")


def list_functions():
    """Write ``core/replayed.inc``: the functions that ``core/replay.h`` can call again."""
    declared = Path(SOURCES, "interface.h").read_text(encoding="utf-8")
    names = re.findall(r"^EXPORT [^*()]*?(\w+)\(", declared, re.MULTILINE)
    lines = "".join(f"REPLAYED({name})\n" for name in names if name != "replay")
    path = Path(SOURCES, "core", "replayed.inc")
    text = "// The functions of interface.h that return a number or nothing; written by setup.py.\n" + lines
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def isa_of(ext):
    """The instruction set of an extension ``cnnkit_cpu.libcnnkit_ISA``."""
    return ext.name.rpartition("_")[2]


class Libraries(build_ext):
    """Plain libraries, built side by side: no Python module to export, and a file name without
    Python's version.
    """

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or True  # one compiler for each processor
        self.failures = {}  # instruction set -> the compiler's words

    def get_export_symbols(self, ext):
        return []

    def get_ext_filename(self, fullname):
        return fullname.replace(".", "/") + ".so"

    def get_outputs(self):
        return [*super().get_outputs(), os.path.join(self.build_lib, REPORT)]

    def run(self):
        if self.editable_mode:
            self.put_on_path()
        super().run()

    def put_on_path(self):
        """Let an editable install name its folders on the path.

        setuptools' finder alone comes after the path: in the folder that holds a clone called ``cnnkit``,
        Python takes the clone for a package without ``__init__.py``, unless it meets a real one on the path.
        """
        site = Path(self.get_finalized_command("install").install_purelib)
        root = Path(__file__).resolve().parent
        site.mkdir(parents=True, exist_ok=True)
        (site / "cnnkit_editable.pth").write_text(f"{root}\n{root / 'backends'}\n", encoding="utf-8")

    def build_extensions(self):
        if self.compiler.compiler_type == "unix":
            self.compiler.call = self.compiler.spawn = spawn  # the newer and the older name
        isas = self.wanted()
        for ext in self.extensions:
            best = WANTED != "native" or isas == ["generic"] or isa_of(ext) != "generic"
            ext.extra_compile_args = [*FLAGS, "-O3" if best else "-O1", *ISAS[isa_of(ext)]]
        report = Path(self.build_lib, REPORT)
        flags = {isa_of(ext): [*ext.extra_compile_args, *LINK_FLAGS]
                 for ext in self.extensions if isa_of(ext) in isas}
        made = json.loads(report.read_text()).get("flags") if report.exists() else None
        self.force = self.force or made != flags
        for ext in self.extensions:  # what an earlier build has left
            if self.force or isa_of(ext) not in isas:
                Path(self.build_lib, self.get_ext_filename(ext.name)).unlink(missing_ok=True)
        self.extensions = [ext for ext in self.extensions if isa_of(ext) in isas]
        super().build_extensions()
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps({"wanted": WANTED, "flags": flags, "failures": self.failures}, indent=1))

    def copy_extensions_to_source(self):
        """An install in place: libraries and report beside the sources, and none from an earlier build."""
        for isa in ISAS:
            Path("backends", self.get_ext_filename(f"cnnkit_cpu.libcnnkit_{isa}")).unlink(missing_ok=True)
        super().copy_extensions_to_source()
        self.copy_file(os.path.join(self.build_lib, REPORT), os.path.join("backends", REPORT))

    def build_extension(self, ext):
        try:
            if self.compiler.compiler_type == "msvc":
                raise CompileError("Microsoft's compiler has neither vector extensions nor POSIX threads; "
                                   "WSL has a compiler with both")
            super().build_extension(ext)
        except CompileError as error:
            self.failures[isa_of(ext)] = str(error)
            raise

    def wanted(self):
        """The instruction sets to build."""
        if WANTED != "native":
            return {"all": [*ISAS], "none": []}.get(WANTED, WANTED.split(","))
        return list(dict.fromkeys(["generic", self.native()]))

    def native(self):
        """The best instruction set of this processor, as the kernels' own source finds it."""
        if self.compiler.compiler_type != "unix" or len(ISAS) == 1:
            return "generic"
        with tempfile.TemporaryDirectory() as folder:
            source, library = Path(folder, "level.cpp"), Path(folder, "level.so")
            source.write_text('#include "core/runtime.h"\n')
            try:
                objects = self.compiler.compile([str(source)], output_dir=folder, include_dirs=[SOURCES],
                                                extra_preargs=[*FLAGS, "-fPIC"])
                self.compiler.link_shared_object(objects, str(library), extra_postargs=LINK_FLAGS,
                                                 target_lang="c++")
                return LEVELS[ctypes.CDLL(str(library)).cpu_level()]
            except Exception as error:  # the baseline's own build reports what is wrong
                print(f"cannot tell this processor's instruction set: {error}", file=sys.stderr)
                return "generic"


def spawn(command, **settings):
    """Run the compiler; what it says goes on to the terminal, and into the error."""
    try:
        process = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    except OSError as error:
        raise CompileError(f"there is no C++ compiler {command[0]!r} ({error.strerror})") from None
    print(process.stderr, end="", file=sys.stderr)
    if process.returncode:
        lines = process.stderr.splitlines()
        first = next((line for line in lines if "error" in line.lower()), " ".join(lines[:1]))
        raise CompileError(f"{command[0]} failed: {first.strip() or f'exit status {process.returncode}'}")


class AnyPython(bdist_wheel):
    """The libraries know nothing of Python: one wheel serves every version of it."""

    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


list_functions()
setup(
    # each has a source file of its own, so that none shares an object file with another
    ext_modules=[Extension(f"cnnkit_cpu.libcnnkit_{isa}", [f"{SOURCES}/{isa}.cpp"], include_dirs=[SOURCES],
                           depends=glob(f"{SOURCES}/**/*.[hi]*", recursive=True), optional=True,
                           extra_link_args=LINK_FLAGS)
                 for isa in ISAS],
    cmdclass={"build_ext": Libraries, "bdist_wheel": AnyPython},
)
