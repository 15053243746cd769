"""The `backend` fixture: every test that uses it runs on each backend; ``pytest --backend NAME`` selects.

Bare ``pytest`` runs every backend that is available. The last lines of a run say which backends ran, and why
others did not.
"""

from __future__ import annotations

import collections
import contextlib
import signal

import pytest

from cnnkit import conformance, random

# a shell starts background jobs with these ignored, and tests press Ctrl-C
for _name, _usual in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    _signal = getattr(signal, _name, None)
    if _signal is not None and signal.getsignal(_signal) is signal.SIG_IGN:
        signal.signal(_signal, _usual)


def pytest_addoption(parser):
    parser.addoption("--backend", action="append", default=[], metavar="NAME",
                     help="run the tests of backends on this one only; may be given several times")
    parser.addoption("--schedule", metavar="NAME[:SEED]", default="",
                     help="run the emulator's threads 'reversed' or 'skewed:1' instead of in order")
    parser.addoption("--traced", action="store_true", help="watch every access of the emulator's kernels")
    parser.addoption("--nonfinite", action="store_true",
                     help="put every NaN, infinity and large number into every array of the kit's cases")
    parser.addoption("--heavy", action="store_true", help="run the tests marked heavy, and only them")
    parser.addoption("--kills", type=int, default=3, metavar="N",
                     help="how many training runs tests/train/test_killed.py kills")


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
        else:
            reasons[name] = status
    return reasons


def pytest_collection_modifyitems(config, items):
    """Tests marked ``heavy`` take long, and run in CI only, with ``--heavy``."""
    heavy = config.getoption("heavy")
    left_out = [item for item in items if (item.get_closest_marker("heavy") is not None) != heavy]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


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


@pytest.fixture(autouse=True)
def same_draws():
    """A test's random draws do not depend on the tests before it."""
    random.seed(0)


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
