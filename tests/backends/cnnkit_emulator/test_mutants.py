"""Mutants of the shipped kernels: the check that a mutant names must be the first to find it.

``mutants/<module>.toml`` holds those of ``cuda/<module>.cu``: ``line`` is the correct source (it occurs
once), ``wrong`` its replacement, ``killed_by`` the first of the checks below that finds it, ``precision``
what `cnnkit.precision` says meanwhile. A test's id has the module, the check and the mutant's name.
"""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from cnnkit_cupy import kernels, launcher, norm, sources
from cnnkit_emulator import build
from cnnkit_emulator.device import KernelFault, counted, schedule, traced

import cnnkit
from cnnkit import backends, conformance
from cnnkit.conformance import OpCase
from cnnkit.conformance.checks.calling import call, has_kernel
from cnnkit.conformance.checks.comparing import bits
from cnnkit.conformance.checks.memory import check_views
from cnnkit.conformance.checks.values import check_gradients, check_outputs
from cnnkit.conformance.expected import expected
from cnnkit.conformance.kernels import written

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)

MUTANTS = [(path.stem, mutant) for path in sorted(Path(__file__).parent.glob("mutants/*.toml"))
           for mutant in tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]]
ON_TENSOR_CORES = ("conv_tensor", "conv_tensor_weights")  # whose kernels read vectors
OTHER_SCHEDULES = (("reversed", 0), ("skewed", 1), ("skewed", 2))

kernels.kernels("emulator")  # fills the table


@pytest.fixture(autouse=True)
def _more_pixels_are_several_slices(monkeypatch):
    monkeypatch.setattr(norm, "WHOLE", 100)


def cases_of(module, target):
    """Every case that launches a kernel of the module: of its ops, and of chains with one of its ops."""
    if module in ON_TENSOR_CORES:
        return [case for case in conformance.EVERY_CASE if "-vectors-" in case.id]
    ops = {op for kernel in launcher.KERNELS.values() if kernel.module == module for op in kernel.ops}
    return [case for case in conformance.EVERY_CASE if written(case.kernel) in ops
            or (isinstance(case.kernel, tuple) and has_kernel(case, target) and ops & set(case.kernel))]


def checks_of(case):
    return (check_outputs, check_gradients, check_views) if isinstance(case, OpCase) else case.checks


def results(case, target):
    """The bits of everything that the case computes, from images in C order and with the channels last."""
    if not isinstance(case, OpCase):
        return [check(case, target) for check in checks_of(case)]
    sixteen_bits = "-vectors-" in case.id and backends.precision_level() != "tf32x3"
    exact, contents = expected(case, "float16" if sixteen_bits else "float32"), []
    for make in (target.asarray, target.channels_last):
        arrays = [make(a) if isinstance(a, np.ndarray) else a for a in exact.inputs]
        outputs, backward = call(case, target, arrays, case.needs)
        contents += bits(target, (*outputs, *(backward(make(exact.dy)) if backward else ())))
    return contents


# -- the checks: each gives its name and what it says of the first case in which it finds something, or None

def in_order(cases, target):
    """Threads in order: values that are not those of the loops, or, if there are none, a fault."""
    first_fault = None
    for case in cases:
        for check in checks_of(case):
            try:
                check(case, target)
            except AssertionError as error:
                return "values", f"{case.id}: {error}"
            except (KernelFault, ValueError) as fault:  # ValueError: the launcher's
                first_fault = first_fault or ("fault", f"{case.id}: {fault}")
    return first_fault


def other_schedules(cases, target):
    """Threads in another order: other bits, or a fault."""
    for case in cases:
        in_order_bits = results(case, target)
        for order in OTHER_SCHEDULES:
            try:
                with schedule(*order):
                    if results(case, target) != in_order_bits:
                        return "schedule", f"{case.id}, {order[0]}: other bits than in order"
            except (AssertionError, KernelFault) as fault:
                return "schedule", f"{case.id}, {order[0]}: {fault}"
    return None


def watching(name, faults):
    def check(cases, target):
        for case in cases:
            try:
                with traced(faults):
                    results(case, target)
            except KernelFault as fault:
                return name, f"{case.id}: {fault}"
        return None
    return check


def waste(case, target):
    """What each launch of a case moves, over what it must move."""
    with counted() as launches:
        results(case, target)
    return [(t.kernel, name, getattr(t, name) or 0) for t in launches
            for name in ("loads", "stores", "shared_loads", "shared_stores", "written")]


def counter(cases, target):
    """More sectors, passes over the banks, or bytes written than the kernel as it is."""
    mutated = launcher.source
    for case in cases:
        launcher.source = sources.source
        minimum = waste(case, target)
        launcher.source = mutated
        for (kernel, name, allowed), (_, _, moved) in zip(minimum, waste(case, target)):
            if moved > 1.01 * allowed:
                return ("counter",
                        f"{case.id}: {kernel}: {name} {moved:.2f} times the minimum, "
                        f"and must be {allowed:.2f}")
    return None


CHECKS = (in_order, other_schedules, watching("tracer", "races"), watching("alignment", "alignment"),
          watching("bounds", "bounds"), counter)


@pytest.mark.parametrize(("module", "mutant"), MUTANTS,
                         ids=[f"{module}-{m['killed_by']}-{m['name']}" for module, m in MUTANTS])
def test_a_mutant_is_found(module, mutant, monkeypatch, only_on_request, tiled):
    text = sources.source(module)
    assert text.count(mutant["line"]) == 1, "the mutant's line is not in the source, or more than once"
    # compiles faster
    monkeypatch.setattr(build, "FLAGS", tuple("-O1" if flag == "-O2" else flag for flag in build.FLAGS))
    monkeypatch.setattr(launcher, "source", lambda name: text.replace(mutant["line"], mutant["wrong"])
                        if name == module else sources.source(name))
    target = conformance.Target(tiled if module == "conv" else "emulator")
    with target.entered(), cnnkit.precision(mutant.get("precision", "fast")):
        cases = cases_of(module, target)
        check, message = next(filter(None, (look(cases, target) for look in CHECKS)),
                              (None, "nothing was found: it survives"))
    print(f"{check}: {message}")
    assert check == mutant["killed_by"], message


@pytest.mark.parametrize(("module", "precision"), sorted({
    (module, mutant.get("precision", "fast")) for module, mutant in MUTANTS}))
def test_the_checks_find_nothing_in_the_kernels_as_they_are(module, precision, only_on_request, tiled):
    target = conformance.Target(tiled if module == "conv" else "emulator")
    with target.entered(), cnnkit.precision(precision):
        cases = cases_of(module, target)
        assert len(cases) > 1
        assert [look(cases[:4], target) for look in CHECKS] == [None] * len(CHECKS)
