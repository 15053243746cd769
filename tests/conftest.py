"""The `backend` fixture: every test that uses it runs on each backend; ``pytest --backend NAME`` selects.

Bare ``pytest`` runs every backend that is available. The last lines of a run say which backends ran, and why
others did not.
"""

from __future__ import annotations

import collections
import contextlib
import importlib.util
import signal

import pytest

from cnnkit import conformance

# a shell starts background jobs with these ignored, and tests press Ctrl-C
for _name, _usual in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    _signal = getattr(signal, _name, None)
    if _signal is not None and signal.getsignal(_signal) is signal.SIG_IGN:
        signal.signal(_signal, _usual)


def pytest_addoption(parser):
    parser.addoption("--backend", action="append", default=[], metavar="NAME",
                     help="run the tests of backends on this one only; may be given several times")
    parser.addoption("--only-backends", action="store_true",
                     help="leave out the tests that run on no backend and name none of --backend's")
    parser.addoption("--schedule", metavar="NAME[:SEED]", default="",
                     help="run the emulator's threads 'reversed' or 'skewed:1' instead of in order")
    parser.addoption("--traced", action="store_true", help="watch every access of the emulator's kernels")
    parser.addoption("--nonfinite", action="store_true",
                     help="put every NaN, infinity and large number into every array of the kit's cases")
    parser.addoption("--heavy", action="store_true", help="run the tests marked heavy, and only them")
    parser.addoption("--kills", type=int, default=1, metavar="N",
                     help="how many training runs tests/train/test_killed.py and tests/distributed kill")
    parser.addoption("--site", metavar="FOLDER",
                     help="the built documentation site, for tests/docs/test_site.py")


def pytest_configure(config):
    if config.getoption("schedule").partition(":")[0] not in ("", "in order", "reversed", "skewed"):
        raise pytest.UsageError(f"--schedule {config.getoption('schedule')}: there are 'in order', "
                                "reversed and skewed:SEED")
    statuses = conformance.names()
    available = [name for name, status in statuses.items() if status is True]
    for name in config.getoption("backend"):
        if statuses.get(name) is not True:
            raise pytest.UsageError(f"--backend {name}: {statuses.get(name, 'there is no such backend')}; "
                                    f"there are {', '.join(available)}")


def chosen(config) -> dict[str, bool | str]:
    """Backend name -> True where its tests run, else the reason why they do not."""
    requested = config.getoption("backend")
    reasons = {}
    for name, status in conformance.names().items():
        if requested:
            reasons[name] = name in requested or "--backend asks for others"
        elif status is True and conformance.Target(name).backend.lazy:
            reasons[name] = "it writes graphs, which its own tests run"
        else:
            reasons[name] = status
    return reasons


def is_installed(library):
    """Whether a library is there; a folder of tests of that name is none."""
    return getattr(importlib.util.find_spec(library), "origin", None) is not None


def skip_as_one(items):
    """Of a test's cases that need a library which is not here, skip the first; return the others."""
    first, others = {}, []
    for item in items:
        need = item.get_closest_marker("needs")
        if need is not None and not is_installed(need.args[0]):
            cases = first.setdefault(item.nodeid.partition("[")[0], [])
            others += [item] if cases else []
            cases.append(item)
    for cases in first.values():
        library = cases[0].get_closest_marker("needs").args[0]
        cases[0].add_marker(pytest.mark.skip(reason=f"{library} is not installed; cases: {len(cases)}"))
    return others


def leave_out(config, items, left_out):
    """Take tests off the list."""
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


def pytest_collection_modifyitems(config, items):
    """Tests marked ``heavy`` take long, and run in CI only, with ``--heavy``."""
    heavy, only = config.getoption("heavy"), config.getoption("only_backends")
    names = config.getoption("backend")
    left_out = [item for item in items if (item.get_closest_marker("heavy") is not None) != heavy
                or (only and "backend_name" not in getattr(item, "fixturenames", ())
                    and not any(name in item.nodeid for name in names))]
    leave_out(config, items, left_out)
    leave_out(config, items, skip_as_one(items))


def pytest_generate_tests(metafunc):
    if "kill" in metafunc.fixturenames:
        metafunc.parametrize("kill", range(metafunc.config.getoption("kills")))
    if "placed_case" in metafunc.fixturenames:
        cases = [case for case in conformance.EVERY_CASE if isinstance(case, conformance.OpCase)]
        metafunc.parametrize("placed_case", cases if metafunc.config.getoption("nonfinite") else [],
                             ids=lambda case: case.id)
    if "backend_name" in metafunc.fixturenames:
        metafunc.parametrize("backend_name",
                             [n for n, status in chosen(metafunc.config).items() if status is True])


@pytest.fixture
def emulation(request):
    """How the emulator runs kernels in this test: as ``--schedule`` and ``--traced`` say."""
    schedule, traced = request.config.getoption("schedule"), request.config.getoption("traced")
    with contextlib.ExitStack() as stack:
        if schedule:
            from cnnkit_emulator import device

            name, _, seed = schedule.partition(":")
            stack.enter_context(device.schedule(name, int(seed or 0)))
        if traced:
            from cnnkit_emulator import device

            stack.enter_context(device.traced())
        yield


@pytest.fixture
def backend(request, backend_name, emulation):
    """An active `conformance.Target`: ``name``, ``backend``, ``asarray(host array)``, ``to_numpy(array)``."""
    request.node.user_properties.append(("backend", backend_name))
    target = conformance.Target(backend_name)
    with target.entered():
        yield target


def pytest_terminal_summary(terminalreporter, config):
    if config.option.collectonly:
        return
    counts = collections.defaultdict(collections.Counter)
    for status in ("passed", "failed", "error", "skipped", "xfailed"):
        for report in terminalreporter.stats.get(status, ()):
            for name in {value for key, value in getattr(report, "user_properties", ()) if key == "backend"}:
                counts[name][status] += 1
    terminalreporter.section("backends")
    for name, reason in chosen(config).items():
        ran = ", ".join(f"{n} {status}" for status, n in counts[name].items())
        not_run = "no test asked for it" if reason is True else f"not run ({reason})"
        terminalreporter.line(f"{name}: {ran or not_run}")
