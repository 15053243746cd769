"""Counters, log, settings and the launcher."""

import os
import subprocess
import sys

import cnnkit_softcuda
import numpy as np
import pytest
from cnnkit_softcuda import cache, device


def soft(*arguments):
    return subprocess.run([sys.executable, "-m", "cnnkit_softcuda", *arguments], capture_output=True,
                          text=True, check=False)


def test_counters_count_launches_copies_and_waits(cupy):
    x = cupy.asarray(np.ones(256, np.float32))
    x + x  # compiled
    cnnkit_softcuda.reset()
    assert not any(cnnkit_softcuda.stats().values())
    (x + x).get()
    cupy.cuda.Device().synchronize()
    x.set(np.zeros(256, np.float32))
    counted = cnnkit_softcuda.stats()
    assert counted["launches"] == 1
    assert (counted["copies_from_device"], counted["bytes_from_device"]) == (1, 1024)
    assert (counted["copies_to_device"], counted["bytes_to_device"]) == (1, 1024)
    assert counted["synchronisations"] >= 1


def test_the_log_names_what_was_launched(cupy):
    x = cupy.ones(16, cupy.float32)
    with cnnkit_softcuda.log() as calls:
        x * 3
    assert any(call.startswith("launch cupy_multiply") for call in calls)


def test_settings_are_asked_by_name(cupy):
    assert cnnkit_softcuda.setting("arch") >= 75
    with pytest.raises(ValueError, match="no setting 'speed'"):
        cnnkit_softcuda.setting("speed")
    with pytest.raises(ValueError, match="late"):
        cnnkit_softcuda.streams("never")


def test_settings_hold_for_their_block(cupy):
    before = cnnkit_softcuda.setting("watch")
    with cnnkit_softcuda.watched():
        assert cnnkit_softcuda.setting("watch") == 1
    assert cnnkit_softcuda.setting("watch") == before


def test_in_null_mode_nothing_is_computed(cupy):
    program = ("import cupy, cnnkit_softcuda\n"
               "x = cupy.ones((64, 64), cupy.float32)\n"
               "(x @ x + x).sum()\n"
               "print(cnnkit_softcuda.stats()['launches'] > 1, float(x[0, 0]))")
    assert soft("--null", "python", "-c", program).stdout.split() == ["True", "0.0"]


def test_the_launcher_says_how_a_setting_is_written(cupy):
    wrong = soft("--streams", "sometimes", "python", "-c", "")
    assert wrong.returncode == 2
    assert "eager, late" in wrong.stderr.replace("│", "").replace("\n", " ")
    assert soft("no-such-command").returncode == 127


def test_a_command_is_that_of_the_interpreters_environment(cupy, monkeypatch, tmp_path):
    other = tmp_path / "pytest"
    other.write_text("#!/bin/sh\necho the one of another environment\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert soft("pytest", "--version").stdout == f"pytest {pytest.__version__}\n"
    assert soft(str(other)).stdout == "the one of another environment\n"


def test_without_the_device_its_functions_say_how_to_get_it():
    if cnnkit_softcuda.loaded():
        pytest.skip("this process has the device")
    with pytest.raises(RuntimeError, match="python -m cnnkit_softcuda"):
        cnnkit_softcuda.stats()


@pytest.mark.parametrize(("order", "last"), [(0, 3 * 4 + 3), (1, 0)])
def test_warps_and_blocks_run_as_numbered_or_reversed(cupy, order, last):
    source = """extern "C" __global__ void last(int* y) {
        if (threadIdx.x % 32 == 0) *y = blockIdx.x * 4 + threadIdx.x / 32;
    }"""
    y = cupy.zeros(1, cupy.int32)
    with device._changed("order", order):
        cupy.RawKernel(source, "last")((4,), (128,), (y,))
    assert y.item() == last


def test_without_cupy_the_build_says_what_to_install(monkeypatch):
    monkeypatch.setattr(cache, "DISTRIBUTIONS", ())
    with pytest.raises(cache.BuildError, match="pip install cupy"):
        cache.cupy_distribution.__wrapped__()
