"""The libraries: every instruction set passes the conformance suite; threads and forks are safe."""

import json
import re
import subprocess
import sys
import threading

import cnnkit_cpu
import numpy as np
import pytest
from cnnkit_cpu import built, library
from cnnkit_cpu.kernels import table
from cnnkit_cpu.runtime import Runtime

import cnnkit
from cnnkit import backends, conformance, nn, optim
from cnnkit import functional as F
from cnnkit.conformance.kernels import matches

NATIVE = [case for case in conformance.EVERY_CASE if any(matches(key, case.kernel) for key in table.load())]
STEP = """
import os, sys
import numpy as np
import cnnkit
from cnnkit import functional as F
from cnnkit.conformance.kernels import matches

rng = np.random.default_rng(0)
x, w = (cnnkit.tensor(rng.standard_normal(s, dtype=np.float32)) for s in ((64, 3, 16, 16), (8, 3, 3, 3)))
cnnkit.set_num_threads(2)
before = F.conv2d(x, w).numpy().tobytes()
child = os.fork()
if child == 0:
    os._exit(0 if F.conv2d(x, w).numpy().tobytes() == before else 3)
assert F.conv2d(x, w).numpy().tobytes() == before
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.heavy
def test_every_case_passes_on_each_instruction_set(forced):
    assert cnnkit_cpu.isa() == forced
    failures = []
    with conformance.Target("cpu").entered() as target:
        for case in NATIVE:
            outcome = conformance.run_case(case, target)
            failures += [f"{case.id}: {check}: {message}" for check, message in outcome.failures]
    assert len(NATIVE) > 100
    assert failures == []


def test_each_library_was_built_for_its_own_vectors():
    widths = {"avx512": 64, "avx2": 32, "generic": 16}
    assert ({isa: built.cpu_width() for isa, built in library.libraries.items()}
            == {isa: widths[isa] for isa in cnnkit_cpu.isas()})


def test_an_instruction_set_that_is_not_here_is_refused():
    with pytest.raises(ValueError,
                       match=r"no kernels for the instruction set 'mmx' here; there are .*generic"):
        cnnkit_cpu.force("mmx")


def trained(threads):
    """The bits of a small network's parameters after three steps."""
    cnnkit.random.seed(1)
    rng = np.random.default_rng(2)
    before = backends.get_num_threads()
    with cnnkit.use("cpu"):
        backends.set_num_threads(threads)
        try:
            net = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                                nn.Conv2d(12, 5, 5, padding=2), nn.ReLU(),
                                nn.AvgPool2d(2), nn.Conv2d(5, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
                                nn.MaxPool2d(3, 2, 1), nn.Dropout(0.3), nn.Flatten(),
                                nn.Linear(54, 70), nn.ReLU(), nn.Linear(70, 9))
            optimizer = optim.Adam(net.parameters(), lr=1e-2)
            for _ in range(3):
                x, y = (cnnkit.tensor(rng.standard_normal((37, 3, 25, 26), dtype=np.float32)),
                        cnnkit.tensor(rng.integers(0, 9, 37)))
                optimizer.zero_grad()
                F.cross_entropy(net(x), y).backward()
                optimizer.step()
            return [p.numpy().tobytes() for p in net.parameters()]
        finally:
            backends.set_num_threads(before)


def test_one_thread_and_more_give_the_same_bits(forced):
    one = trained(1)
    assert trained(2) == one
    assert trained(5) == one


def test_number_of_threads_is_set_and_checked():
    before = cnnkit.get_num_threads()
    cnnkit.set_num_threads(3)
    assert (cnnkit.get_num_threads(), library.threads) == (3, 3)
    cnnkit.set_num_threads(before)
    with pytest.raises(ValueError, match="at least 1"):
        cnnkit.set_num_threads(0)
    with pytest.raises(TypeError, match="whole number"):
        cnnkit.set_num_threads(2.0)
    with pytest.raises(ValueError, match="at most 1024"):
        cnnkit.set_num_threads(1025)
    assert cnnkit.get_num_threads() == before


def test_the_environment_says_how_many_threads():
    code = "import cnnkit; print(cnnkit.get_num_threads())"
    run = subprocess.run([sys.executable, "-c", code], env={"OMP_NUM_THREADS": "3"},
                         capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "3"


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_forked_child_computes():
    process = subprocess.run([sys.executable, "-c", STEP], capture_output=True, text=True,
                             timeout=60, check=False)
    assert process.returncode == 0, process.stderr


def test_several_python_threads_compute_at_once(two_threads):
    rng = np.random.default_rng(0)
    x, w = (cnnkit.tensor(rng.standard_normal(s, dtype=np.float32)) for s in ((32, 3, 20, 20), (6, 3, 3, 3)))
    w.requires_grad_()

    def bits():
        y = F.max_pool2d(F.relu(F.conv2d(x, w)), 2)
        weight = cnnkit.tensor(w.numpy(), requires_grad=True)
        F.conv2d(x, weight).sum().backward()
        return y.numpy().tobytes() + weight.grad.numpy().tobytes()
    expected, failures = bits(), []

    def work():
        for _ in range(10):
            if bits() != expected:
                failures.append(threading.get_ident())
    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []


def test_the_list_of_backends_shows_instruction_set_compiler_and_threads():
    numpy, = (row for row in backends.list() if row.name == "numpy")
    description = next(t for t in numpy.tables if t.startswith("cpu"))
    assert cnnkit_cpu.isa() in description
    assert "thread" in description


def test_without_a_library_numpy_serves_and_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert library._find() == ({}, f"its C++ was not built: there is no C++ compiler. {built.CURE}")
    (tmp_path / "libcnnkit_generic.so").write_bytes(b"no library")
    found, reason = library._find()
    assert found == {}
    assert reason.startswith("its library cannot be loaded: ")


def test_numpy_alone_is_said_to_be_slow_and_why(monkeypatch):
    monkeypatch.setattr(library, "REASON", "its C++ was not built: no compiler")
    assert library.missing() == ("NumPy's kernels run alone, about four times slower: "
                                 "its C++ was not built: no compiler")


def test_the_baseline_alone_is_said_to_be_slow_where_the_processor_has_more(monkeypatch, tmp_path):
    baseline = library.libraries["generic"]
    if baseline.cpu_level() == 0:
        pytest.skip("this processor has no more than the baseline")
    report = {"wanted": "native", "flags": {}, "failures": {"avx512": "g++ failed: x.h:1: error: y",
                                                           "avx2": "g++ failed: x.h:1: error: y"}}
    (tmp_path / "build.json").write_text(json.dumps(report))
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    assert library.missing() == ""
    monkeypatch.setattr(library, "libraries", {"generic": baseline})
    monkeypatch.setattr(library, "active", baseline)
    assert re.match(r"avx\w+, several times as fast, was not built: g\+\+ failed: x.h:1: error: y. Install",
                    library.missing())
    assert library.missing() in Runtime().describe()
