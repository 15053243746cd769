"""Kernels compiled ahead are those that a step launches, once each, and the step compiles none."""

import threading

import pytest
from cnnkit_cupy import device, warming
from cnnkit_cupy.gpus import GPUS

import cnnkit
from cnnkit import backends, nn, optim
from cnnkit import functional as F


def small():
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(8 * 36, 10))


@pytest.mark.usefixtures("cupy")
def test_a_step_after_it_loads_nothing(loaded_on):
    backend, model = backends.get("cupy"), small()
    loaded_on.clear()  # random bits, of the initial weights
    said = backend.warm_up(model, (1, 12, 12), 4)
    ahead = [*loaded_on]
    assert said.startswith(f"{len(ahead)} kernels are ready: ")
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    F.cross_entropy(model(cnnkit.ones(4, 1, 12, 12)), cnnkit.tensor([1, 2, 3, 4])).backward()
    optimizer.step()
    assert backend.warm_up(small(), (1, 12, 12), 4).startswith("0 kernels are ready")
    assert loaded_on == ahead
    assert len(set(ahead)) == len(ahead) > 5


def test_the_model_is_left_as_it_is():
    model = small()
    model(cnnkit.ones(1, 1, 12, 12)).sum().backward()
    before = [p.numpy().copy() for p in (*model.parameters(), *(p.grad for p in model.parameters()))]
    warming.instances(GPUS["A100"], model, (1, 12, 12), 4)
    after = [p.numpy() for p in (*model.parameters(), *(p.grad for p in model.parameters()))]
    assert all((new == old).all() for new, old in zip(after, before))
    assert model.training


def test_inference_needs_fewer_kernels_and_half_precision_others():
    step = warming.instances(GPUS["A100"], small(), (1, 12, 12), 4)
    forward = warming.instances(GPUS["A100"], small(), (1, 12, 12), 4, training=False)
    halves = warming.instances(GPUS["A100"], small(), (1, 12, 12), 4, training=False, dtype="float16")
    assert set(forward) < set(step)
    assert halves == tuple(name.replace("float", "__half") for name in forward)


@pytest.mark.usefixtures("cupy", "loaded_on")
def test_threads_compile_at_the_same_time(monkeypatch):
    together = threading.Barrier(2, timeout=20)
    load = device._load
    monkeypatch.setattr(device, "_load", lambda *given: (together.wait(), load(*given))[1])
    warmed = warming.compile_ahead(backends.get("cupy").cuda, 0, ["random_bits", "set_words"], threads=2)
    assert warmed.names == ("random_bits", "set_words")


@pytest.mark.usefixtures("cupy", "loaded_on")
def test_what_does_not_compile_raises_as_a_launch_does(monkeypatch):
    monkeypatch.setattr(device, "source_of", lambda module: "#error")
    with pytest.raises(RuntimeError, match=r"random\.cu does not compile for sm_\d+, instance random_bits"):
        warming.compile_ahead(backends.get("cupy").cuda, 0, ["random_bits"])


def test_the_compiler_runs_once_for_each_kernel_and_not_in_the_step(cupy, monkeypatch, tmp_path):
    from cupy.cuda import compiler
    from cupy.cuda._compiler_cache import DiskKernelCacheBackend

    programs, compile_ = [], compiler._NVRTCProgram.compile
    monkeypatch.setattr(compiler, "_kernel_cache_backend", DiskKernelCacheBackend(str(tmp_path)))
    monkeypatch.setattr(compiler._NVRTCProgram, "compile", lambda self, options=(), log=None:
                        programs.append(self.name_expressions) or compile_(self, options))
    monkeypatch.setattr(backends.get("cupy").cuda, "_loaded", {})
    cupy.clear_memo()  # of modules that other tests have loaded
    model = small()
    backends.get("cupy").warm_up(model, (1, 12, 12), 4)
    ours = [names for names in programs if names]
    assert len(set(ours)) == len(ours) > 5
    F.cross_entropy(model(cnnkit.ones(4, 1, 12, 12)), cnnkit.tensor([1, 2, 3, 4])).backward()
    assert [names for names in programs if names] == ours
    backends.get("cupy").cuda._loaded.clear()  # as in a new process: the disk has them
    cupy.clear_memo()
    backends.get("cupy").warm_up(model, (1, 12, 12), 4)
    assert [names for names in programs if names] == ours
