"""The stacks of emulated threads: a process that loads many kernels does not run out of mappings."""

import sys
from pathlib import Path

import numpy as np
import pytest
from cnnkit_emulator import device

from cnnkit import backends


@pytest.mark.skipif(sys.platform != "linux", reason="mappings are counted in /proc")
def test_only_the_latest_libraries_keep_their_stacks(monkeypatch):
    emulator = backends.get("emulator")
    monkeypatch.setattr(device, "MOST_WITH_STACKS", 2)
    x = emulator.asarray(np.ones(256, np.float32))

    def mappings():
        return len(Path("/proc/self/maps").read_text().splitlines())

    def launch(number):
        y = emulator.cuda.empty((256,), x.dtype, x)
        source = (f"__global__ void plus_{number}(const float* x, float* y)"
                  f" {{ y[threadIdx.x] = x[threadIdx.x] + {number}; }}")
        emulator.cuda.run(source, (f"plus_{number}",), f"plus_{number}", (1, 1, 1), (256, 1, 1), [x, y],
                          [False, True])
        return emulator.to_numpy(y)

    for number in range(3):
        launch(number)
    before = mappings()
    for number in range(3, 8):
        assert (launch(number) == 1 + number).all()
    assert mappings() < before + 5 * 100  # each library's stacks would be more than 500
    assert (launch(0) == 1).all()  # with new stacks
