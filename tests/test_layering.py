"""The one-way road: each level knows only the ones below it, and the levels above the registry name no array library."""

import ast
from pathlib import Path

import pytest

import cnnkit

ROOT = Path(cnnkit.__file__).parent
PLUGINS = Path(__file__).parent.parent / "backends"
LIBRARIES = {"numpy", "cupy", "torch", "jax", "array_api_strict", "array_api_compat"}
NAMES = {"cupy", "torch", "jax", "array-api-strict", "emulator"}  # "numpy" names host arrays too, so it is looked for apart
LEVELS = ["backends", "random", "shapes", "ops", "autograd", "functional", "nn", "optim", "train"]
AGNOSTIC = ["ops", "autograd", "functional", "nn", "optim", "train"]


PROBES = {  # what may be asked of an object by the name of an attribute, and where
    "foreign.py": {"dtype", "device", "shape", "detach"},
    "data/transforms/normalize.py": {"tolist"},  # of an array, too
    "train/tally.py": {"count_nonzero"},  # of an array's library
    "data/description.py": {"dataset", "classes", "targets", "image_shape"},
    "sklearn/saving.py": {"feature_names_in_"},  # scikit-learn's way
    "random/keys.py": {"generator"}}  # of a thread

TRANSFORMS = [path for path in sorted((ROOT / "data" / "transforms").glob("*.py")) if path.name != "picture.py"]  # on any device


def files(level):
    path = ROOT / level
    return sorted(path.rglob("*.py")) if path.is_dir() else [ROOT / f"{level}.py"]


def imported(path):
    """Every module that a file imports, in functions too, as dotted names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def docstrings(tree):
    return {id(node.body[0].value) for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body and isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant)}


@pytest.mark.parametrize("path", [p for level in AGNOSTIC for p in files(level)] + TRANSFORMS,
                         ids=lambda p: str(p.relative_to(ROOT)))
def test_no_array_library_is_imported_above_the_registry(path):
    assert {name.split(".")[0] for name in imported(path)} & LIBRARIES == set()


@pytest.mark.parametrize("path", [p for level in AGNOSTIC for p in files(level)] + TRANSFORMS,
                         ids=lambda p: str(p.relative_to(ROOT)))
def test_no_backend_is_named_above_the_registry(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = docstrings(tree)
    named = [node.value for node in ast.walk(tree)
             if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped
             and node.value in NAMES | {"numpy"}]
    assert named == []


@pytest.mark.parametrize("level", LEVELS)
def test_no_level_imports_one_above_it(level):
    above = {f"cnnkit.{name}" for name in LEVELS[LEVELS.index(level) + 1:]}
    if level in ("random", "shapes"):
        above |= {"cnnkit.shapes", "cnnkit.random"} - {f"cnnkit.{level}"}
    for path in files(level):
        seen = {".".join(name.split(".")[:2]) for name in imported(path)} & above
        assert seen == set(), f"{path} imports {seen}"


@pytest.mark.parametrize("path", sorted(PLUGINS.rglob("*.py")), ids=lambda p: str(p.relative_to(PLUGINS)))
def test_plugins_import_no_other_plugin(path):
    own = path.relative_to(PLUGINS).parts[0]
    others = {name.split(".")[0] for name in imported(path) if name.startswith("cnnkit_")} - {own}
    assert others == set()


def test_what_objects_can_do_is_a_contract_and_not_found_out_by_the_names_of_attributes():
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        place = path.relative_to(ROOT)
        if place.parts[0] in ("conformance", "ops", "autograd", "backends"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) not in ("getattr", "hasattr"):
                continue
            thing, name = node.args[:2]
            if isinstance(name, ast.Constant) and ast.unparse(thing) != "self":
                found.setdefault(place.as_posix(), set()).add(name.value)
    assert found == PROBES
