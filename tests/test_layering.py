"""The one-way road: packages import downwards, files in no circle, and few levels name an array library."""

import ast
import functools
import graphlib
from pathlib import Path

import pytest

import cnnkit

ROOT = Path(cnnkit.__file__).parent
PLUGINS = Path(__file__).parent.parent / "backends"
LIBRARIES = {"numpy", "cupy", "torch", "jax", "array_api_strict", "array_api_compat"}
NAMES = {"cupy", "torch", "jax", "array-api-strict", "emulator"}  # and "numpy", which names host arrays too
ORDER = ["storage", "foreign", "suggestions", "jit", "shapes", "backends", "random", "ops", "autograd",
         "amp", "cuda", "accelerator", "version", "xp", "linalg", "distributed", "functional", "nn", "func",
         "optim", "capturing", "safetensors", "serialization", "hub", "data", "utils", "evaluation", "models",
         "onnx", "attribution", "inspection", "plot", "profiling", "comparing", "train",
         "transfer_learning", "advise", "conformance", "report", "sklearn", "cli", "__main__"]
AGNOSTIC = ["ops", "autograd", "linalg", "functional", "nn", "optim", "evaluation", "models", "train"]
TRANSFORMS = [path for path in sorted((ROOT / "data" / "transforms").glob("*.py"))
              if path.name != "picture.py"]  # on any device

PROBES = {  # file -> the attributes that it may look up by name
    "foreign.py": {"__array__", "_metadata", "detach", "device", "dtype", "requires_grad", "shape",
                   "stride", "strides", "toarray"},
    "capturing/captured.py": {"strides", "__name__", "__qualname__"},  # of any library's array, any function
    "capturing/dependencies.py": {"__dict__"},  # of what a function names
    "utils/data/collating.py": {"_fields"},  # of a named tuple
    "capturing/results.py": {"_fields"},  # of named tuples
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

# folder or file -> what it may use of a Tensor that is not public
INSIDE = {"capturing": {"_alias", "_grad", "_link", "_requires_grad", "_value"},  # replays do what calls did
          "optimizer.py": {"_grad"},  # `zero_grad` is a part of every step
          "graphs.py": {"_link"}}  # counters of a recorded step


def named_by(paths, look):
    """File -> what `look` finds in it and it must not have; without the files that have nothing."""
    return {path.as_posix(): found for path in paths if (found := look(path))}


def files(level):
    path = ROOT / level
    return sorted(path.rglob("*.py")) if path.is_dir() else [ROOT / f"{level}.py"]


ABOVE = [path for level in AGNOSTIC for path in files(level)] + TRANSFORMS  # the registry of backends


@functools.cache
def source_of(path):
    return path.read_text(encoding="utf-8")


@functools.cache
def tree_of(path):
    return ast.parse(source_of(path))


@functools.cache
def every_node(path):
    return tuple(ast.walk(tree_of(path)))


def is_named(node, *names):
    return isinstance(node, ast.Name) and node.id in names


def nodes(path, typing):
    """Every node of a file's syntax tree; the body of ``if TYPE_CHECKING`` only with `typing`."""
    if typing or "TYPE_CHECKING" not in source_of(path):
        yield from every_node(path)
        return
    waiting = [tree_of(path)]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


@functools.cache
def imports(path, typing=True):
    """What a file imports, in functions too, as pairs: a module, and a name in it or ``None``.

    For ``import cnnkit`` these are the names that the file uses, because they are imported on use.
    """
    return tuple(_imports(path, typing))


def _imports(path, typing):
    for node in nodes(path, typing):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Attribute) and is_named(node.value, "cnnkit"):
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


def docstrings(path):
    return {id(node.body[0].value) for node in every_node(path)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body and isinstance(node.body[0], ast.Expr)
            and isinstance(node.body[0].value, ast.Constant)}


def test_no_array_library_is_imported_above_the_registry():
    assert named_by(ABOVE, lambda path: set(packages(path)) & LIBRARIES) == {}


def test_no_backend_is_named_above_the_registry():
    def backends_in(path):
        skipped = docstrings(path)
        return {node.value for node in every_node(path)
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped
                and node.value in NAMES | {"numpy"}}
    assert named_by(ABOVE, backends_in) == {}


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


def test_plugins_import_no_other_plugin():
    def others(path):
        plugin = path.relative_to(PLUGINS).parts[0]
        return {name for name in packages(path) if name.startswith("cnnkit_")} - {plugin}
    assert named_by(sorted(PLUGINS.rglob("*.py")), others) == {}


def test_what_objects_can_do_is_a_contract_and_not_found_out_by_the_names_of_attributes():
    probes = {}
    for path in sorted(ROOT.rglob("*.py")):
        place = path.relative_to(ROOT)
        if place.parts[0] in ("conformance", "ops", "autograd", "backends"):
            continue
        for node in every_node(path):
            if not isinstance(node, ast.Call) or not is_named(node.func, "getattr", "hasattr"):
                continue
            target, name = node.args[:2]
            if isinstance(name, ast.Constant) and not is_named(target, "self"):
                probes.setdefault(place.as_posix(), set()).add(name.value)
    assert probes == PROBES


def test_what_others_use_of_a_tensor_is_public():
    private = {"_alias", "_await", "_become", "_grad", "_link", "_of", "_pending", "_position",
               "_requires_grad", "_settle", "_source", "_value", "_version"}

    def used(path):
        names = {node.attr for node in every_node(path) if isinstance(node, ast.Attribute)
                 and node.attr in private and not is_named(node.value, "self", "cls")}
        return names - INSIDE.get(path.parent.name, set()) - INSIDE.get(path.name, set())
    paths = [path for path in (*sorted(ROOT.rglob("*.py")), *sorted(PLUGINS.rglob("*.py")))
             if "autograd" not in path.parts]
    assert named_by(paths, used) == {}
