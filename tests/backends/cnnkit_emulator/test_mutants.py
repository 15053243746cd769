"""Mistakes put into the shipped kernels, a few words each: the check that each names must find it, and none
that comes before.

``mutants/<module>.toml`` holds those of ``cuda/<module>.cu``: ``line`` is the source as it is (it occurs
once), ``wrong`` as it must not be, ``killed_by`` the first of the checks below that finds it. Tests are
called after all three: module, check, name.
"""

import tomllib
from pathlib import Path

import pytest
from cnnkit_cupy import kernels, launcher, sources
from cnnkit_emulator import build
from cnnkit_emulator.device import KernelFault, counted, schedule, traced

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
OTHER_SCHEDULES = (("reversed", 0), ("skewed", 1), ("skewed", 2))

kernels.kernels("emulator")  # fills the table


def cases_of(module, target):
    """Every case that launches a kernel of the module: of its ops, and of the fused kernels that begin with
    one or hold one.
    """
    ops = {op for kernel in launcher.KERNELS.values() if kernel.module == module for op in kernel.ops}
    return [case for case in conformance.EVERY_CASE if written(case.kernel) in ops
            or (isinstance(case.kernel, tuple) and has_kernel(case, target) and ops & set(case.kernel))]


def checks_of(case):
    return (check_outputs, check_gradients, check_views) if isinstance(case, OpCase) else case.checks


def results(case, target):
    """The bits of everything that the case computes, from images in C order and with the channels last."""
    if not isinstance(case, OpCase):
        return [check(case, target) for check in checks_of(case)]
    right, made = expected(case, "float32"), []
    for make in (target.asarray, target.channels_last):
        outputs, backward = call(case, target,
                                 [None if a is None else make(a) for a in right.inputs], case.needs)
        made += bits(target, (*outputs, *(backward(make(right.dy)) if backward else ())))
    return made


# -- the checks: each gives its name and what it says of the first case in which it finds something, or None

def in_order(cases, target):
    """Threads in order: values that are not those of the loops, or, if there are none, a fault."""
    found = None
    for case in cases:
        for check in checks_of(case):
            try:
                check(case, target)
            except AssertionError as error:
                return "values", f"{case.id}: {error}"
            except (KernelFault, ValueError) as fault:  # ValueError: the launcher's
                found = found or ("fault", f"{case.id}: {fault}")
    return found


def other_schedules(cases, target):
    """Threads in another order: other bits, or a fault."""
    for case in cases:
        before = results(case, target)
        for order in OTHER_SCHEDULES:
            try:
                with schedule(*order):
                    if results(case, target) != before:
                        return "schedule", f"{case.id}, {order[0]}: other bits than in order"
            except (AssertionError, KernelFault) as fault:
                return "schedule", f"{case.id}, {order[0]}: {fault}"
    return None


def watching(name, what):
    def look(cases, target):
        for case in cases:
            try:
                with traced(what):
                    results(case, target)
            except KernelFault as fault:
                return name, f"{case.id}: {fault}"
        return None
    return look


def waste(case, target):
    """What each launch of a case moves, over what it must move."""
    with counted() as launches:
        results(case, target)
    return [(t.kernel, name, getattr(t, name) or 0) for t in launches
            for name in ("loads", "stores", "shared_loads", "shared_stores", "written")]


def counter(cases, target):
    """More sectors, passes over the banks, or bytes written than the kernel as it is."""
    wrong = launcher.source
    for case in cases:
        launcher.source = sources.source
        before = waste(case, target)
        launcher.source = wrong
        for (kernel, name, least), (_, _, moved) in zip(before, waste(case, target)):
            if moved > 1.01 * least:
                return ("counter",
                        f"{case.id}: {kernel}: {name} {moved:.2f} times the minimum, and must be {least:.2f}")
    return None


CHECKS = (in_order, other_schedules, watching("tracer", "races"), watching("alignment", "alignment"),
          watching("bounds", "bounds"), counter)


@pytest.mark.parametrize(("module", "mutant"), MUTANTS,
                         ids=[f"{module}-{m['killed_by']}-{m['name']}" for module, m in MUTANTS])
def test_a_mutant_is_found(module, mutant, monkeypatch, asked, tiled):
    text = sources.source(module)
    assert text.count(mutant["line"]) == 1, "the mutant's line is not in the source, or more than once"
    # compiles faster
    monkeypatch.setattr(build, "FLAGS", tuple("-O1" if flag == "-O2" else flag for flag in build.FLAGS))
    monkeypatch.setattr(launcher, "source", lambda asked: text.replace(mutant["line"], mutant["wrong"])
                        if asked == module else sources.source(asked))
    target = conformance.Target(tiled if module == "conv" else "emulator")
    with target.entered():
        cases = cases_of(module, target)
        check, what = next(filter(None, (look(cases, target) for look in CHECKS)),
                           (None, "nothing was found: it survives"))
    print(f"{check}: {what}")
    assert check == mutant["killed_by"], what


@pytest.mark.parametrize("module", sorted({module for module, _ in MUTANTS}))
def test_the_checks_find_nothing_in_the_kernels_as_they_are(module, asked, tiled):
    target = conformance.Target(tiled if module == "conv" else "emulator")
    with target.entered():
        cases = cases_of(module, target)
        assert len(cases) > 1
        assert [look(cases[:4], target) for look in CHECKS] == [None] * len(CHECKS)
