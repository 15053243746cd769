"""The C++ part: a library for each instruction set, without Python in it. All else is in pyproject.toml.

A library that cannot be built, because there is no compiler, is left out: cnnkit then runs on NumPy alone.
"""

import platform
from glob import glob

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

SOURCES = "backends/cnnkit_cpu/src"
FLAGS = ["-std=c++17", "-O3", "-g0", "-pthread", "-fvisibility=hidden",
         "-fno-math-errno", "-fno-trapping-math",
         "-Wno-psabi"]
ISAS = {"generic": []}
if platform.machine().lower() in ("x86_64", "amd64"):
    ISAS["avx2"] = ["-mavx2", "-mfma"]
    ISAS["avx512"] = [*ISAS["avx2"], "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl",
                      "-mprefer-vector-width=512"]


class Libraries(build_ext):
    """Plain libraries, built side by side: no Python module to export, and a file name without
    Python's version.
    """

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or True  # one compiler for each processor

    def get_export_symbols(self, ext):
        return []

    def get_ext_filename(self, fullname):
        return fullname.replace(".", "/") + ".so"


class AnyPython(bdist_wheel):
    """The libraries know nothing of Python: one wheel serves every version of it."""

    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


setup(
    # each has a source file of its own, so that none shares an object file with another
    ext_modules=[Extension(f"cnnkit_cpu.libcnnkit_{isa}", [f"{SOURCES}/{isa}.cpp"], include_dirs=[SOURCES],
                           depends=glob(f"{SOURCES}/**/*.h", recursive=True), optional=True,
                           extra_compile_args=[*FLAGS, *flags], extra_link_args=["-pthread"])
                 for isa, flags in ISAS.items()],
    cmdclass={"build_ext": Libraries, "bdist_wheel": AnyPython},
)
