"""`load` and `store` of prims.cuh: one access of up to 16 bytes for several elements."""

import re

import numpy as np
import pytest
from cnnkit_cupy.sources import FOLDER
from cnnkit_cupy.static.compiling import options

from cnnkit import backends

HERE = next(row for row in backends.list() if row.name == "emulator")
SOURCE = (FOLDER / "prims.cuh").read_text() + """
template <class T, int n> __global__ void turn_round(const T* x, T* y) {
    Vector<T, n> values = load<n>(x + n * threadIdx.x), turned;
    for (int i = 0; i < n; i++) turned.of[i] = values.of[n - 1 - i];
    store(y + n * threadIdx.x, turned);
}
"""
SIZES = [(*kind, n) for kind in (("float", "float32"), ("__half", "float16"), ("__nv_bfloat16", "uint16"),
                                 ("unsigned char", "uint8"))
         for n in (1, 2, 4, 8) if n * np.dtype(kind[1]).itemsize <= 16]
NAMES = tuple(f"turn_round<{t}, {n}>" for t, _, n in SIZES)


@pytest.mark.skipif(not HERE.available, reason=HERE.reason)
@pytest.mark.parametrize("trace", [False, True])
@pytest.mark.parametrize(("t", "dtype", "n"), SIZES)
def test_vectors_hold_their_elements_in_order(t, dtype, n, trace):
    from contextlib import nullcontext

    from cnnkit_emulator.device import traced

    emulator = backends.get("emulator")
    x = np.arange(3 * n).astype(dtype)
    y = emulator.cuda.empty(x.shape, dtype, None)
    with traced() if trace else nullcontext():
        emulator.cuda.run(SOURCE, NAMES, f"turn_round<{t}, {n}>", (1, 1, 1), (3, 1, 1),
                          [emulator.asarray(x), y], [False, True])
    np.testing.assert_array_equal(emulator.to_numpy(y), x.reshape(3, n)[:, ::-1].reshape(-1))


@pytest.mark.skipif(not HERE.available, reason=HERE.reason)
def test_a_vector_is_one_access_on_the_emulator():
    from cnnkit_emulator.device import counted

    emulator = backends.get("emulator")
    x, y = (emulator.asarray(np.zeros(12, np.float32)) for _ in range(2))
    with counted() as traffic:
        emulator.cuda.run(SOURCE, NAMES, "turn_round<float, 4>", (1, 1, 1), (3, 1, 1), [x, y], [False, True])
    (launched,) = traffic
    assert (sorted((site.writes, site.size, site.requests) for site in launched.sites)
            == [(False, 16, 1), (True, 16, 1)])


@pytest.mark.parametrize(("t", "dtype", "n"), SIZES)
def test_nvrtc_makes_one_load_and_one_store_of_a_vector(t, dtype, n):
    nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="NVRTC needs cuda-bindings",
                                exc_type=ImportError)
    name = f"turn_round<{t}, {n}>".encode()
    _, program = nvrtc.nvrtcCreateProgram(SOURCE.encode(), b"vectors.cu", 0, [], [])
    nvrtc.nvrtcAddNameExpression(program, name)
    flags = [option.encode() for option in options(75)]
    status, = nvrtc.nvrtcCompileProgram(program, len(flags), flags)
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS
    text = b" " * nvrtc.nvrtcGetPTXSize(program)[1]
    nvrtc.nvrtcGetPTX(program, text)
    nvrtc.nvrtcDestroyProgram(program)
    width, kind = n * np.dtype(dtype).itemsize, r"(?:(v2|v4)\.)?[ubf](8|16|32)"
    for access in ("ld", "st"):
        accesses = re.findall(rf"{access}\.global\.{kind}", text.decode())
        assert [int(v[1:] or 1) * int(size) // 8 if v else int(size) // 8
                for v, size in accesses] == [width], accesses
