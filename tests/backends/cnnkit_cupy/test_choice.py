"""Tiles are chosen by a model of time whose parts are counted; no bit of a result depends on the choice."""

import numpy as np
import pytest
from cnnkit_cupy import choice, conv, conv_tensor, launcher
from cnnkit_cupy.choice import Measured, choose
from cnnkit_cupy.cost import Product
from cnnkit_cupy.gpus import GPUS, like

import cnnkit
from cnnkit import backends, nn

EMULATOR = next(row for row in backends.list() if row.name == "emulator")
A100, H100 = GPUS["A100"], GPUS["H100"]


def test_the_busiest_multiprocessor_decides():
    def blocks(count):
        return Product(count, 2, 256, 1e6, "float32", 1e6 / 32, 0).seconds(A100)
    assert blocks(1) == blocks(108) < blocks(109) == blocks(216) < blocks(217)


def test_few_warps_wait_for_themselves():
    one, eight = (Product(108, 1, threads, 1e8, "16 bits", 1e8 / 2048, 0).seconds(A100)
                  for threads in (32, 256))
    assert one > 2 * eight


def test_what_is_read_through_the_cache_can_be_the_longest():
    product = Product(10**4, 2, 256, 1, "float32", 1, 10**6)
    parts = product.parts(A100)
    assert max(parts, key=parts.get) == "L2"
    assert parts["L2"] == 1e10 / A100.l2


def test_padded_rows_and_columns_are_multiplied_too():
    tile = conv.TILINGS["Large"]
    one, more = (choice.tiled_product(tile, "float32", rows, 128, 1, 64) for rows in (128, 129))
    assert (one.blocks, more.blocks) == (1, 2)
    assert one.macs == 128 * 128 * 64
    assert choice.tensor_product(conv_tensor.TILINGS["TensorThin"], "16 bits", 100, 33, 1, 33).blocks == 2


@pytest.mark.parametrize(("gpu", "shape", "name"), [
    (A100, (64 * 49, 512, 1, 4608), "TensorLarge"), (A100, (50, 24, 1, 144), "TensorThin"),
    (H100, (64 * 56 * 56, 64, 1, 576), "TensorNarrow"), (H100, (50, 64, 1, 144), "TensorSmall"),
])
def test_the_tile_that_a_shape_gets(gpu, shape, name):
    rows, columns, groups, depth = shape
    assert conv_tensor.tiling(rows, columns, groups, 2, depth, gpu).name == name


def test_the_number_of_multiprocessors_changes_the_tile():
    few, many = (conv.tiling(64 * 14 * 14, 128, 1, 1152, like(90, count)).name for count in (16, 400))
    assert (few, many) == ("Narrow", "Small")


def test_a_measurement_counts_more_than_the_model(monkeypatch):
    key = Measured.key(A100, "float32", 100, 64, 1, 9)
    times = {"Large": 1e-6, "Narrow": 2e-6, "Small": 3e-6}
    monkeypatch.setitem(choice.measured, key, times)
    assert str(choose(A100, conv.TILINGS, "float32", 100, 64, 1, 9)) == (
        "Large tiles (measured us: Large 1, Narrow 2, Small 3)")
    monkeypatch.setitem(choice.measured, key, {"Large": 1e-6})  # by a version with other tiles
    assert not choose(A100, conv.TILINGS, "float32", 100, 64, 1, 9).measured


@pytest.mark.skipif(not EMULATOR.available, reason=EMULATOR.reason)
def test_explain_says_the_tile_and_why():
    with cnnkit.use("emulator"), cnnkit.no_grad():
        explanation = cnnkit.explain(nn.Conv2d(16, 16, 3), cnnkit.ones(1, 16, 6, 6))
    assert explanation.rows[0].algorithm.startswith("Small tiles (predicted us: Small ")


@pytest.mark.skipif(not EMULATOR.available, reason=EMULATOR.reason)
def test_the_bits_are_those_of_any_gpu(monkeypatch, launches):
    def outputs(multiprocessors):
        launcher.forget()
        emulated = backends.get("emulator").cuda
        monkeypatch.setattr(emulated, "multiprocessors", lambda like=None: multiprocessors)
        cnnkit.manual_seed(0)
        with cnnkit.use("emulator"):
            layer = nn.Conv2d(16, 64, 3)
            y = layer(cnnkit.randn(5, 12, 12, 16).permute(0, 3, 1, 2))
            y.square().sum().backward()
            return [a.numpy() for a in (y.detach(), layer.weight.grad)]
    first = outputs(1)
    names = {name for name, _ in launches["conv"] if name.startswith("conv2d<")}
    launches.clear()
    for one, other in zip(first, outputs(10**4)):
        np.testing.assert_array_equal(one, other)
    assert names != {name for name, _ in launches["conv"] if name.startswith("conv2d<")}
