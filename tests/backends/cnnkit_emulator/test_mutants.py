"""Mistakes put into the shipped kernels, a few words each: the check that each names must find it, and none that comes before.

``mutants/<module>.toml`` holds those of ``cuda/<module>.cu``: ``line`` is the source as it is (it occurs once), ``wrong`` as it
must not be, ``killed_by`` the first of the checks below that finds it. Tests are called after all three: module, check, name.
"""

import tomllib
from pathlib import Path

import pytest
from cnnkit_cupy import kernels, launcher, sources
from cnnkit_emulator import build

from cnnkit import backends, conformance
from cnnkit.conformance.case import Case, expected
from cnnkit.conformance.checks import bits, call, check_gradients, check_outputs, check_views, forward_and_back, has_kernel
from cnnkit.conformance.runner import DRAW_CHECKS, UPDATE_CHECKS

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)

MUTANTS = [(path.stem, mutant) for path in sorted(Path(__file__).parent.glob("mutants/*.toml"))
           for mutant in tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]]
OTHER_SCHEDULES = (("reversed", 0), ("skewed", 1), ("skewed", 2))

kernels.kernels("emulator")  # fills the table


def cases_of(module, target):
    """Every case that launches a kernel of the module: of its ops, and of the fused kernels that begin with one or hold one."""
    ops = {op for kernel in launcher.KERNELS.values() if kernel.module == module for op in kernel.ops}
    return [case for case in conformance.EVERY_CASE if "+".join(case.ops) in ops
            or (isinstance(case, Case) and len(case.ops) > 1 and has_kernel(case, target) and ops & set(case.ops))]


def fault_in(case, target):
    """What the emulator says of a case as it runs now, or None."""
    from cnnkit_emulator.device import KernelFault

    try:
        if isinstance(case, Case):
            forward_and_back(case, target, expected(case, "float32"), "float32")
    except KernelFault as fault:
        return str(fault)
    except AssertionError:
        pass
    return None


# -- the checks: each gives its name and what it says of the first case in which it finds something, or None ---------------

def in_order(cases, target):
    """Threads in order: values that are not those of the loops, or, if there are none, a fault."""
    from cnnkit_emulator.device import KernelFault

    found = None
    for case in cases:
        checks = (check_outputs, check_gradients, check_views) if isinstance(case, Case) else (*UPDATE_CHECKS, *DRAW_CHECKS)
        for check in checks:
            if not isinstance(case, Case) and check.__annotations__["case"] != type(case).__name__:
                continue
            try:
                check(case, target)
            except AssertionError as error:
                return "values", f"{case.id}: {error}"
            except (KernelFault, ValueError) as fault:  # ValueError: the launcher's
                found = found or ("fault", f"{case.id}: {fault}")
    return found


def other_schedules(cases, target):
    """Threads in another order: other bits, or a fault."""
    from cnnkit_emulator.device import KernelFault, schedule

    def run(case):
        right = expected(case, "float32")
        outputs, backward = call(case, target, target.arrays(right.inputs), case.needs)
        return bits(target, (*outputs, *(backward(target.asarray(right.dy)) if backward else ())))

    for case in cases:
        if isinstance(case, Case):
            before = run(case)
            for order in OTHER_SCHEDULES:
                try:
                    with schedule(*order):
                        if run(case) != before:
                            return "schedule", f"{case.id}, {order[0]}: other bits than in order"
                except KernelFault as fault:
                    return "schedule", f"{case.id}, {order[0]}: {fault}"
    return None


def tracer(cases, target):
    """Every access watched: races, and reads of what nobody has written."""
    from cnnkit_emulator.device import traced

    with traced():
        return next((("tracer", f"{case.id}: {fault}") for case in cases if (fault := fault_in(case, target))), None)


CHECKS = (in_order, other_schedules, tracer)


@pytest.mark.parametrize(("module", "mutant"), MUTANTS, ids=[f"{module}-{m['killed_by']}-{m['name']}" for module, m in MUTANTS])
def test_a_mutant_is_found(module, mutant, monkeypatch, asked):
    text = sources.source(module)
    assert text.count(mutant["line"]) == 1, "the mutant's line is not in the source, or more than once"
    monkeypatch.setattr(build, "FLAGS", tuple("-O1" if flag == "-O2" else flag for flag in build.FLAGS))  # compiles faster
    monkeypatch.setattr(launcher, "source", lambda asked: text.replace(mutant["line"], mutant["wrong"]) if asked == module
                        else sources.source(asked))
    target = conformance.Target("emulator")
    with target.entered():
        cases = cases_of(module, target)
        check, what = next(filter(None, (look(cases, target) for look in CHECKS)), (None, "nothing was found: it survives"))
    print(f"{check}: {what}")
    assert check == mutant["killed_by"], what


@pytest.mark.parametrize("module", sorted({module for module, _ in MUTANTS}))
def test_the_checks_find_nothing_in_the_kernels_as_they_are(module, asked):
    target = conformance.Target("emulator")
    with target.entered():
        cases = cases_of(module, target)
        assert len(cases) > 1
        assert [look(cases[:4], target) for look in CHECKS] == [None] * len(CHECKS)
