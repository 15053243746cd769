"""The one-way road: packages import downwards, files in no circle, and few levels name an array library."""

import ast
import graphlib
from pathlib import Path

import pytest

import cnnkit

ROOT = Path(cnnkit.__file__).parent
PLUGINS = Path(__file__).parent.parent / "backends"
LIBRARIES = {"numpy", "cupy", "torch", "jax", "array_api_strict", "array_api_compat"}
NAMES = {"cupy", "torch", "jax", "array-api-strict", "emulator"}  # and "numpy", which names host arrays too
ORDER = ["storage", "foreign", "suggestions", "jit", "shapes", "backends", "random", "cuda", "accelerator",
         "ops", "autograd", "xp", "linalg", "functional", "nn", "optim", "safetensors", "data", "utils",
         "evaluation", "models", "inspection", "train", "advise", "conformance", "sklearn", "cli", "__main__"]
AGNOSTIC = ["ops", "autograd", "linalg", "functional", "nn", "optim", "evaluation", "models", "train"]
TRANSFORMS = [path for path in sorted((ROOT / "data" / "transforms").glob("*.py"))
              if path.name != "picture.py"]  # on any device

PROBES = {  # file -> the attributes that it may look up by name
    "foreign.py": {"__array__", "_metadata", "detach", "device", "dtype", "requires_grad", "shape",
                   "stride", "strides", "toarray"},
    "data/transforms/normalize.py": {"tolist"},  # arrays have it, numbers and lists do not
    "evaluation/counting.py": {"count_nonzero"},  # of an array's library
    "data/description.py": {"dataset", "classes", "targets", "image_shape"},
    "sklearn/saving.py": {"feature_names_in_"},  # scikit-learn's way
    "functional/__init__.py": {"__module__"},  # of whatever its modules export
    "nn/__init__.py": {"__module__"},
    "nn/function.py": {"_function"},  # of a class that is being made
    "nn/utils/parametrize.py": {"right_inverse"},  # a parametrisation may have it
    "storage/flags.py": {"O_BINARY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC"},  # of an operating system
    "random/keys.py": {"generator"}}  # of a thread


def files(level):
    path = ROOT / level
    return sorted(path.rglob("*.py")) if path.is_dir() else [ROOT / f"{level}.py"]


def nodes(tree, typing):
    """Every node of a syntax tree; the body of ``if TYPE_CHECKING`` only with `typing`."""
    for node in ast.iter_child_nodes(tree):
        yield node
        if not typing and isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield from (inner for other in node.orelse for inner in (other, *nodes(other, typing)))
        else:
            yield from nodes(node, typing)


def imports(path, typing=True):
    """What a file imports, in functions too, as pairs: a module, and a name in it or ``None``.

    For ``import cnnkit`` these are the names that the file uses, because they are imported on use.
    """
    for node in nodes(ast.parse(path.read_text(encoding="utf-8")), typing):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "cnnkit":
            yield "cnnkit", node.attr


def packages(path, typing=True):
    """The packages that a file imports: of cnnkit the subpackage (autograd for ``cnnkit.Tensor``)."""
    for module, name in imports(path, typing):
        first, *rest = module.split(".")
        if first == "cnnkit" and (rest or name):
            package = rest[0] if rest else name
            yield f"cnnkit.{cnnkit._DEFINED_IN.get(package, package)}"
        else:
            yield first


def modules(*roots):
    """The files below these folders, by their dotted names."""
    files_by_name = {}
    for root in roots:
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root.parent).with_suffix("").parts
            files_by_name[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files_by_name


def imports_between(modules):
    """Module -> the modules that it imports, in functions too, with the ``__init__`` files that this runs."""
    graph = {}
    for module, path in modules.items():
        graph[module] = set()
        for source, name in imports(path, typing=False):
            if source == "cnnkit" and name in cnnkit._DEFINED_IN:
                source, name = f"cnnkit.{cnnkit._DEFINED_IN[name]}", None
            target = f"{source}.{name}" if f"{source}.{name}" in modules else source
            parents = [target[:index] for index, letter in enumerate(target) if letter == "."]
            entered = [parent for parent in parents if not f"{module}.".startswith(f"{parent}.")]
            graph[module] |= modules.keys() & {target, *entered}
    return graph


def circle(graph):
    """The modules of a circle, the first one again at the end; empty if there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def docstrings(tree):
    return {id(node.body[0].value) for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body and isinstance(node.body[0], ast.Expr)
            and isinstance(node.body[0].value, ast.Constant)}


@pytest.mark.parametrize("path", [p for level in AGNOSTIC for p in files(level)] + TRANSFORMS,
                         ids=lambda p: str(p.relative_to(ROOT)))
def test_no_array_library_is_imported_above_the_registry(path):
    assert set(packages(path)) & LIBRARIES == set()


@pytest.mark.parametrize("path", [p for level in AGNOSTIC for p in files(level)] + TRANSFORMS,
                         ids=lambda p: str(p.relative_to(ROOT)))
def test_no_backend_is_named_above_the_registry(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = docstrings(tree)
    named = [node.value for node in ast.walk(tree)
             if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped
             and node.value in NAMES | {"numpy"}]
    assert named == []


def test_every_package_has_a_place_in_the_order():
    existing = {path.stem for path in ROOT.iterdir()
                if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert existing - {"__init__"} == set(ORDER)


@pytest.mark.parametrize("level", ORDER)
def test_no_package_imports_one_above_it(level):
    above = {f"cnnkit.{name}" for name in ORDER[ORDER.index(level) + 1:]}
    for path in files(level):
        assert set(packages(path)) & above == set(), path


@pytest.mark.parametrize(("level", "other"), [("random", "shapes"), ("shapes", "random")])
def test_random_and_shapes_know_nothing_of_each_other(level, other):
    for path in files(level):
        assert f"cnnkit.{other}" not in packages(path), path


def test_cnnkit_itself_imports_none_of_its_packages():
    assert [name for name in packages(ROOT / "__init__.py", typing=False) if name.startswith("cnnkit")] == []


def test_no_files_import_in_a_circle():
    plugins = [path for path in sorted(PLUGINS.iterdir()) if (path / "__init__.py").is_file()]
    graph = imports_between(modules(ROOT, *plugins))
    assert len(plugins) > 5
    assert {"cnnkit.models.cnn", "cnnkit_cpu.library"} <= graph.keys()
    assert circle(graph) == []


@pytest.mark.parametrize(("line", "expected"), [
    ("from pack.b import x", ["pack.a", "pack.b", "pack.a"]),
    ("from pack import b", ["pack.a", "pack.b", "pack.a"]),
    ("def f():\n    import pack.b", ["pack.a", "pack.b", "pack.a"]),
    ("from pack.inner.c import x", ["pack.a", "pack.inner", "pack.a"]),  # inner/__init__.py runs on the way
    ("from pack import x", []),
    ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pack.b import x", [])])
def test_a_circle_is_seen_in_functions_too_and_not_among_imports_for_types(tmp_path, line, expected):
    (tmp_path / "pack" / "inner").mkdir(parents=True)
    back = "import pack.a"
    sources = {"__init__": "", "a": line, "b": back, "inner/__init__": back, "inner/c": ""}
    for name, text in sources.items():
        (tmp_path / "pack" / f"{name}.py").write_text(text)
    assert sorted(circle(imports_between(modules(tmp_path / "pack")))) == sorted(expected)


@pytest.mark.parametrize("path", sorted(PLUGINS.rglob("*.py")), ids=lambda p: str(p.relative_to(PLUGINS)))
def test_plugins_import_no_other_plugin(path):
    plugin = path.relative_to(PLUGINS).parts[0]
    assert {name for name in packages(path) if name.startswith("cnnkit_")} - {plugin} == set()


def test_what_objects_can_do_is_a_contract_and_not_found_out_by_the_names_of_attributes():
    probes = {}
    for path in sorted(ROOT.rglob("*.py")):
        place = path.relative_to(ROOT)
        if place.parts[0] in ("conformance", "ops", "autograd", "backends"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) not in ("getattr", "hasattr"):
                continue
            target, name = node.args[:2]
            if isinstance(name, ast.Constant) and ast.unparse(target) != "self":
                probes.setdefault(place.as_posix(), set()).add(name.value)
    assert probes == PROBES


@pytest.mark.parametrize("path", [p for p in sorted(ROOT.rglob("*.py")) if "autograd" not in p.parts],
                         ids=lambda p: str(p.relative_to(ROOT)))
def test_what_others_use_of_a_tensor_is_public(path):
    private = {"_link", "_of", "_position", "_source", "_value", "_version"}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [node.attr for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and node.attr in private] == []
