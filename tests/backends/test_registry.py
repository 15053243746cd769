"""The registry: how backends and kernel tables are found, and what happens when they cannot be."""

import importlib.metadata

import numpy as np
import pytest

import cnnkit
from cnnkit import backends
from cnnkit.backends import plugins


class Foreign(np.ndarray):
    """Another library's array type, for the test."""


class Unknown:
    """An array type that no plug-in names, with a namespace of its own."""

    def __array_namespace__(self):
        return np


@pytest.fixture
def clean_registry():
    """Registrations made in a test end with it."""
    registries = (plugins.backends, plugins.tables, plugins.broken, plugins.by_type, plugins.discovered)
    saved = [registry.copy() for registry in registries]
    yield
    for backend in plugins.backends.values():
        backend.__dict__.pop("_resolved", None)
    for registry, content in zip(registries, saved):
        registry.clear()
        registry.update(content)


@pytest.mark.parametrize("array", [np.zeros(3), np.float32(1), np.zeros(()), np.ma.masked_array([1.0])])
def test_numpy_arrays_scalars_and_subclasses_belong_to_numpy(array):
    assert backends.backend_of(array).name == "numpy"


def test_the_nearest_registered_base_class_decides(clean_registry):
    name = f"{Foreign.__module__}:{Foreign.__qualname__}"
    mine = backends.register(backends.ArrayAPIBackend("foreign", np, (name,), "numpy"))
    assert backends.backend_of(np.zeros(2).view(Foreign)) is mine
    assert backends.backend_of(np.zeros(2)).name == "numpy"


def test_of_two_backends_for_one_array_type_the_last_registered_counts(clean_registry):
    types = ("numpy:ndarray", "numpy:generic")
    mine = backends.register(backends.ArrayAPIBackend("mine", np, types, "numpy"))
    assert backends.backend_of(np.zeros(2)) is mine
    assert backends.list()[0].name == "mine"


def test_a_plugin_counts_before_cnnkits_own_backend_for_the_same_arrays(clean_registry, monkeypatch):
    class Plugin(importlib.metadata.EntryPoint):
        dist = None

        def load(self):
            return backends.ArrayAPIBackend("plugin", np, ("numpy:ndarray",), "numpy")

    entry, real = Plugin("plugin", "plugin:backend", "cnnkit.backends"), importlib.metadata.entry_points
    monkeypatch.setattr(importlib.metadata, "entry_points",
                        lambda group: [*real(group=group), *([entry] if group == entry.group else [])])
    plugins.backends.clear()
    plugins.by_type.clear()
    plugins.discovered.clear()
    assert backends.backend_of(np.zeros(2)).name == "plugin"


def test_an_unknown_array_api_type_works_with_no_table():
    backend = backends.backend_of(Unknown())
    assert backend.name == "numpy"  # its namespace's name
    assert backend.resolve().single == {}


@pytest.mark.parametrize("thing", ["text", None, object(), [1, 2]])
def test_what_is_no_array_is_refused_with_its_type(thing):
    with pytest.raises(TypeError, match=type(thing).__name__):
        backends.backend_of(thing)


def test_an_unknown_name_answers_with_what_is_installed():
    with pytest.raises(ValueError, match=r"no backend 'cudda'.*Available: .*numpy"):
        cnnkit.use("cudda")


class Absent(backends.ArrayAPIBackend):
    def available(self):
        return "no driver was found"


def test_an_unavailable_backend_is_listed_with_the_reason_and_refused_with_it(clean_registry):
    backends.register(Absent("absent", np))
    row = next(r for r in backends.list() if r.name == "absent")
    assert (row.available, row.reason, row.version) == (False, "no driver was found", "-")
    with pytest.raises(backends.Unavailable, match="no driver was found"):
        cnnkit.use("absent")
    with pytest.raises(ValueError, match=r"Not available: .*absent \(no driver was found\)"):
        cnnkit.use("cudda")


@pytest.mark.parametrize("value",
                         ["no_such_module:backend", "cnnkit.backends:no_such_name", "cnnkit:__version__"])
@pytest.mark.parametrize("group", ["cnnkit.backends", "cnnkit.kernels"])
def test_a_broken_plugin_warns_once_names_itself_and_breaks_nothing(
        clean_registry, monkeypatch, value, group):
    entry = importlib.metadata.EntryPoint("broken", value, group)
    real = importlib.metadata.entry_points
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [*real(group=group), entry]
                        if group == entry.group else real(group=group))
    plugins.discovered.clear()
    with pytest.warns(RuntimeWarning, match="'broken'") as caught:
        assert backends.get("numpy").name == "numpy"
    assert len(caught) == 1
    backends.list()  # a second warning would be an error
    assert any(r.name == "broken" and not r.available and r.reason for r in backends.list())
    with pytest.raises(backends.Unavailable, match="could not be imported"):
        backends.get("broken")


def test_tables_are_asked_in_order_of_priority_and_may_pass(clean_registry):
    called = []

    def kernel(name, answer):
        def relu(x, *, needs):
            called.append(name)
            return answer
        return relu

    for name, priority, answer in (("low", 1, (np.ones(1), None)), ("high", 2, NotImplemented),
                                   ("lowest", 0, "never")):
        backends.register_table(backends.KernelTable(name, "numpy", {"relu": kernel(name, answer)}, priority))
    with backends.tables("low", "high", "lowest"):
        outputs, _ = cnnkit.ops.OPS["relu"](np.zeros(1))
    assert called == ["high", "low"]
    assert outputs[0] == 1


def test_a_table_that_another_hides_is_listed_with_what_is_asked_first(clean_registry):
    kernels = {"relu": lambda x, *, needs: NotImplemented, ("conv", "pool"): lambda *a, **k: NotImplemented}
    for name, priority in (("fast", 99), ("mine", 0)):
        backends.register_table(backends.KernelTable(name, "numpy", kernels, priority))
    tables = next(row.tables for row in backends.list() if row.name == "numpy")
    assert tables[0] == "fast"
    assert next(table for table in tables if table.startswith("mine")).startswith(
        "mine [fast is asked first for relu, conv+pool, because its priority is 99, not 0; use('mine')")


def test_an_unavailable_table_is_not_asked_and_listed_with_the_reason(clean_registry):
    table = backends.KernelTable("slow", "numpy", {"relu": lambda *a, **k: 1 / 0}, 9, lambda: "no compiler")
    backends.register_table(table)
    with backends.tables("slow"):
        cnnkit.ops.OPS["relu"](np.zeros(1))
    assert "slow [no compiler]" in next(r for r in backends.list() if r.name == "numpy").tables
    with pytest.raises(backends.Unavailable, match="no compiler"):
        cnnkit.use("slow")


def test_kernels_may_be_made_on_first_use(clean_registry):
    calls = []
    backends.register_table(backends.KernelTable("lazy", "numpy", lambda: calls.append(1) or {}))
    assert calls == []
    with backends.tables("lazy"):
        backends.get("numpy").resolve()
        backends.get("numpy").resolve()
    assert calls == [1]


@pytest.mark.parametrize("name", ["numpy", "array-api-strict", "torch", "jax"])
def test_every_listed_backend_makes_arrays_of_its_own_and_gives_the_values_back(name):
    try:
        backend = backends.get(name)
    except backends.Unavailable as reason:
        pytest.skip(str(reason))
    assert backend.to_numpy(backend.asarray(np.ones(()), "float32")) == 1
    array = backend.asarray([[1.0, 2.0]], "float32")
    assert backends.backend_of(array) is backend
    assert backends.dtype_name(array.dtype) == "float32"
    np.testing.assert_array_equal(backend.to_numpy(array), [[1.0, 2.0]])
    source = np.zeros(2, np.float32)
    copied = backend.asarray(source)
    source[:] = 1
    np.testing.assert_array_equal(backend.to_numpy(copied), [0, 0])


def test_a_dtype_that_the_library_lacks_is_refused_with_those_it_has():
    with pytest.raises(TypeError, match=r"no dtype 'bfloat16'; it has .*float32"):
        backends.get("numpy").asarray([1.0], "bfloat16")


def test_what_is_missing_of_a_table_is_warned_of_once_and_at_its_first_use():
    table = backends.KernelTable("slow", "numpy", {}, available=lambda: "it was not built",
                                 missing=lambda: "four times slower: it was not built")
    with pytest.warns(UserWarning, match="kernel table 'slow': four times slower: it was not built"):
        backends.Tables.of([table])
    backends.Tables.of([table])
