"""The C functions have one declaration, and Python calls what it says."""

import ctypes
import re
from pathlib import Path

import numpy as np
import pytest
from cnnkit_cpu import interface, library
from cnnkit_cpu.interface import signatures

import cnnkit
from cnnkit import functional as F
from cnnkit.backends import c_integers
from cnnkit.backends.c_integers import limits

SOURCES = Path(library.__file__).parent / "src"
FUNCTIONS = signatures((SOURCES / "interface.h").read_text())
DECLARED = {name: (result, list(types.values())) for name, (result, types) in FUNCTIONS.items()}

needs_libraries = pytest.mark.skipif(not library.libraries, reason=library.REASON)


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
    assert ({name: (result, list(types.values())) for name, (_, (result, types)) in defined.items()}
            == DECLARED)


def test_every_source_with_such_a_function_includes_the_declarations():
    for path in sorted(SOURCES.rglob("*.h")):
        text = path.read_text()
        if "\nEXPORT " in text and path.name != "interface.h":
            assert '#include "interface.h"' in text, path


def test_each_library_has_the_declared_types():
    for built in library.libraries.values():
        functions = {name: getattr(built, name) for name in FUNCTIONS}
        assert {name: (f.restype, [getattr(t, "c_type", t) for t in f.argtypes])
                for name, f in functions.items()} == DECLARED


INTEGERS = [(name, n, argument, c_type) for name, (_, types) in FUNCTIONS.items()
            for n, (argument, c_type) in enumerate(types.items()) if c_type in interface.INTEGERS.values()]


def refused(name, number, value):
    """What a function's parameter says of a value that it refuses; None if it takes it."""
    try:
        getattr(library.active, name).argtypes[number].from_param(value)
    except OverflowError as error:
        return str(error)


@needs_libraries
def test_every_integer_outside_of_the_range_of_its_type_is_refused():
    assert {c_type for *_, c_type in INTEGERS} == set(interface.INTEGERS.values())
    for name, number, argument, c_type in INTEGERS:
        low, high = limits(c_type)
        for value in (low - 1, high + 1, -2**63 - 1, 2**64, 2**64 + 1, 10**30):
            assert (refused(name, number, value)
                    == f"{name}: {argument} must be from {low} to {high}; got {value}")
        take = getattr(library.active, name).argtypes[number].from_param
        assert [take(value).value for value in (low, high, True, np.int64(5))] == [low, high, 1, 5]
        with pytest.raises(TypeError, match=f"{name}: {argument} must be a whole number; got 2.5"):
            take(2.5)


@needs_libraries
def test_a_boundary_without_its_check_would_be_seen(monkeypatch):
    monkeypatch.setattr(c_integers, "fitting", lambda label, number, lowest, highest: number)
    assert not refused("relu_forward", 0, 2**32 + 7)
    assert library.active.relu_forward.argtypes[0].from_param(2**32 + 7).value == 7  # as ctypes alone has it
    monkeypatch.undo()
    library.active.relu_forward.argtypes[0].from_param.__self__.clear()
    assert refused("relu_forward", 0, 2**32 + 7)


@needs_libraries
def test_a_call_with_such_an_integer_does_not_happen():
    y = np.zeros(4, np.float32)
    with pytest.raises(ctypes.ArgumentError, match=r"2: .*relu_forward: count must be from .*; got 9223"):
        library.active.relu_forward(1, 2**63, library.address(y + 1), library.address(y))
    with pytest.raises(ctypes.ArgumentError, match=r"random_bits: k0 must be from 0 to 4294967295; got -1"):
        library.active.random_bits(1, -1, 0, 4, library.address(y))
    assert not y.any()


@pytest.mark.parametrize("settings", [{"stride": 2**32 + 1}, {"dilation": (1, 1), "stride": (1, 2**40)}])
@pytest.mark.parametrize("channels_last", [False, True])
def test_settings_beyond_its_integers_are_numpys(settings, channels_last):
    rng = np.random.default_rng(0)
    x, w = (cnnkit.Tensor(rng.standard_normal(s, np.float32)) for s in ((2, 32, 6, 6), (32, 32, 3, 3)))
    if channels_last:
        x = cnnkit.Tensor(np.ascontiguousarray(x.numpy().transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2))
    results = []
    for table in ("cpu", "numpy"):
        with cnnkit.use(table):
            results.append((F.conv2d(x, w, **settings).numpy(), F.max_pool2d(x, 3, **settings).numpy(),
                            F.avg_pool2d(x, 3, stride=settings["stride"]).numpy()))
    for got, want in zip(*results):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("ignored", [2**64 + 1, -2**64, 2**63])
def test_an_ignored_class_beyond_64_bits_ignores_no_class(ignored):
    scores = cnnkit.tensor(np.random.default_rng(0).standard_normal((4, 3), np.float32))
    target = cnnkit.tensor([0, 1, 2, 1])
    assert (F.cross_entropy(scores, target, ignore_index=ignored).item()
            == pytest.approx(F.cross_entropy(scores, target).item(), rel=1e-6))


def test_a_declaration_is_read_over_several_lines_with_pointers_and_numbers():
    found = signatures("// EXPORT in a comment\nEXPORT const char* name();\n"
                       "EXPORT double scale(long count, const float* const* arrays,\n"
                       "                    uint32_t key, int64_t at);\n"
                       "EXPORT void clear(Shape* shape);\n")
    assert found == {
        "name": (ctypes.c_char_p, {}),
        "scale": (ctypes.c_double, {"count": ctypes.c_long, "arrays": ctypes.c_void_p, "key": ctypes.c_uint32,
                                    "at": ctypes.c_int64}),
        "clear": (None, {"shape": ctypes.c_void_p})}


def test_a_type_that_ctypes_is_not_told_of_is_refused():
    with pytest.raises(ValueError, match=r"scale has the type 'short'; there are pointers, void, float"):
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
