"""bfloat16 in CUDA kernels beside that of ml_dtypes: rounding, conformance cases, and a training step."""

import numpy as np
import pytest
from cnnkit_cupy import kernels

import cnnkit
from cnnkit import backends, conformance, functional, nn, optim
from cnnkit.conformance.checks.comparing import forward_and_back
from cnnkit.conformance.expected import expected

ml_dtypes = pytest.importorskip("ml_dtypes", reason="bfloat16 needs ml_dtypes")
HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)
OPS = kernels.kernels("emulator")

ROUND = """
__global__ void round_all(const float* x, __nv_bfloat16* y, float* back) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    y[i] = narrow<__nv_bfloat16>(x[i]);
    back[i] = wide(y[i]);
}
"""


def test_rounding_is_that_of_ml_dtypes_to_the_bit():
    from cnnkit_cupy.sources import FOLDER

    device, emulator = backends.get("emulator").cuda, backends.get("emulator")
    # each bfloat16, and what lies just below, at, and just above its half way up
    patterns = np.arange(2**16, dtype=np.uint32) << 16
    low_bits = (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF)
    bits = np.concatenate([patterns + low for low in low_bits]).astype(np.uint32)
    x = bits.view(np.float32)
    y, back = device.empty(x.shape, ml_dtypes.bfloat16, None), device.empty(x.shape, "float32", None)
    device.run((FOLDER / "prims.cuh").read_text() + ROUND, ("round_all",), "round_all", (x.size // 256, 1, 1),
               (256, 1, 1), [emulator.asarray(x), y, back], [False, True, True])
    with np.errstate(invalid="ignore"):
        expected = x.astype(ml_dtypes.bfloat16)
    number = ~np.isnan(x)
    np.testing.assert_array_equal(y.host.view(np.uint16)[number], expected.view(np.uint16)[number])
    assert np.isnan(back.host[~number]).all()
    np.testing.assert_array_equal(back.host[number].view(np.uint32),
                                  expected[number].astype(np.float32).view(np.uint32))


def test_pythons_floats_and_products_stay_in_bfloat16():
    x = backends.get("emulator").asarray(np.ones((2, 2)), "bfloat16")
    xp = backends.namespace_of(x)
    for y in (0.5 * x, x - 0.5, x @ x, xp.matmul(x, x), xp.maximum(x, 0.0), xp.where(x > 0, x, 0.0)):
        assert backends.dtype_name(y.dtype) == "bfloat16"


@pytest.mark.parametrize("case", [case for case in conformance.CASES if case.half and case.op in OPS
                                  and "-vectors-" not in case.id],  # for those see test_conv_tensor.py
                         ids=lambda case: case.id)
def test_the_cases_hold_in_bfloat16(case):
    target = conformance.Target("emulator")
    with target.entered():
        forward_and_back(case, target, expected(case, "bfloat16"), "bfloat16")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_training_step_stays_in_its_dtype_and_lowers_the_loss(dtype):
    with cnnkit.use("emulator"):
        model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4),
                              nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.1),
                              nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)).to(dtype=dtype)
        x = cnnkit.tensor(np.random.default_rng(0).standard_normal((6, 1, 8, 8)), dtype=dtype)
        y = cnnkit.tensor(np.arange(6) % 3)
        optimizer, losses = optim.SGD(model.parameters(), lr=0.05, momentum=0.9), []
        for _ in range(8):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert backends.dtype_name(loss.dtype) == dtype
        assert all(backends.dtype_name(p.dtype) == backends.dtype_name(p.grad.dtype) == dtype
                   for p in model.parameters())
    assert losses[-1] < 0.7 * losses[0]
