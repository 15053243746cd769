"""The C functions have one declaration, and Python calls what it says."""

import ctypes
import re
from pathlib import Path

import pytest
from cnnkit_cpu import library
from cnnkit_cpu.interface import signatures

SOURCES = Path(library.__file__).parent / "src"
FUNCTIONS = signatures((SOURCES / "interface.h").read_text())


def definitions():
    """The name, result and argument types of every exported function that is defined in a source."""
    found = {}
    for path in sorted(SOURCES.rglob("*.h")):
        for text in re.findall(r"^EXPORT [^;{]*\) \{", path.read_text(), re.MULTILINE):
            found |= {name: (path.name, types) for name, types in signatures(text[:-2] + ";").items()}
    return found


def test_every_function_is_defined_as_it_is_declared():
    defined = definitions()
    assert len(defined) > 50
    assert {name: types for name, (_, types) in defined.items()} == FUNCTIONS


def test_every_source_with_such_a_function_includes_the_declarations():
    for path in sorted(SOURCES.rglob("*.h")):
        text = path.read_text()
        if "\nEXPORT " in text and path.name != "interface.h":
            assert '#include "interface.h"' in text, path


def test_each_library_has_the_declared_types():
    for built in library.libraries.values():
        functions = {name: getattr(built, name) for name in FUNCTIONS}
        assert {name: (f.restype, tuple(f.argtypes)) for name, f in functions.items()} == FUNCTIONS


def test_a_declaration_is_read_over_several_lines_with_pointers_and_numbers():
    found = signatures("// EXPORT in a comment\nEXPORT const char* name();\n"
                       "EXPORT double scale(long count, const float* const* arrays,\n"
                       "                    uint32_t key, int64_t at);\n"
                       "EXPORT void clear(Shape* shape);\n")
    assert found == {
        "name": (ctypes.c_char_p, ()),
        "scale": (ctypes.c_double, (ctypes.c_long, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int64)),
        "clear": (None, (ctypes.c_void_p,))}


def test_a_type_that_ctypes_is_not_told_of_is_refused():
    with pytest.raises(ValueError, match=r"scale has the type 'short'; there are pointers, void, int"):
        signatures("EXPORT void scale(short by);")


@pytest.mark.parametrize("text", ["EXPORT void clear(void (*call)(int));", "EXPORT int size;",
                                  "EXPORT void clear(int a);\nEXPORT void clear(int a);"])
def test_a_declaration_of_another_form_is_refused(text):
    with pytest.raises(ValueError, match=r"begins \d lines? with EXPORT, of which \d"):
        signatures(text)


def test_lines_and_files_of_the_kernels_are_short():
    for path in sorted([*SOURCES.rglob("*.h"), *SOURCES.rglob("*.cpp")]):
        lines = path.read_text().splitlines()
        assert len(lines) <= 300, path
        assert max(map(len, lines)) <= 110, path
        assert lines[0].startswith("// ") or path.suffix == ".cpp", f"{path} does not begin with what it has"


def test_lines_of_the_python_files_are_short():
    for path in sorted(SOURCES.parent.rglob("*.py")):
        assert max(map(len, path.read_text().splitlines()), default=0) <= 110, path
