"""Tiles are measured by a clock, the fastest is taken, and the disk keeps the times for the same kernels."""

import json

import numpy as np
import pytest
from cnnkit_cupy import autotune, choice, launcher

import cnnkit
from cnnkit import backends, nn

EMULATOR = next(row for row in backends.list() if row.name == "emulator")


@pytest.fixture(autouse=True)
def _no_measurement(monkeypatch):
    monkeypatch.setattr(choice, "measured", choice.Measured())


class Clock:
    """A clock by which the tile `fastest` takes a millisecond, and others two."""

    def __init__(self, fastest, launches):
        self.fastest, self.launches = fastest, launches

    def __call__(self, function):
        self.launches.clear()
        function()
        names = [name for name, _ in self.launches["conv"] if name.startswith("conv2d<")]
        return 1e-3 if any(f", {self.fastest}," in name for name in names) else 2e-3


@pytest.mark.skipif(not EMULATOR.available, reason=EMULATOR.reason)
@pytest.mark.parametrize("fastest", ["Large", "Narrow", "Small"])
def test_the_fastest_tile_by_the_clock_is_taken_and_the_bits_stay(launches, fastest):
    with cnnkit.use("emulator"), cnnkit.no_grad():
        layer = nn.Conv2d(16, 24, 3)
        x = cnnkit.ones(2, 6, 6, 16).permute(0, 3, 1, 2)
        before = layer(x).numpy()
        times = autotune.tune(lambda: layer(x), Clock(fastest, launches))
        launches.clear()
        np.testing.assert_array_equal(layer(x).numpy(), before)
    (key, seconds), = times.items()
    assert key == "H100 x132: float32 32x24x144 x1"
    assert seconds == {name: 1e-3 if name == fastest else 2e-3 for name in ("Large", "Narrow", "Small")}
    assert f"conv2d<float, {fastest}, vector>" in [name for name, _ in launches["conv"]]


def test_times_come_back_from_the_disk_for_these_kernels_alone(tmp_path, monkeypatch):
    path = tmp_path / "folder" / "tiles.json"
    choice.measured["a product"] = {"Large": 1e-3, "Small": 2e-3}
    autotune.save(path)
    choice.measured.clear()
    assert autotune.load(path) == 1
    assert choice.measured == {"a product": {"Large": 1e-3, "Small": 2e-3}}
    choice.measured.clear()
    monkeypatch.setattr(autotune, "version", lambda: "another")
    assert autotune.load(path) == 0
    choice.measured["another product"] = {"Large": 1e-3}
    autotune.save(path)
    assert len(json.loads(path.read_text())) == 2  # the other kernels' times are kept


@pytest.mark.parametrize("text", ["", "[]", "{", '{"VERSION": 3}', '{"VERSION": {"a product": []}}',
                                  '{"VERSION": {"a product": {"Large": "fast"}}}'])
def test_a_damaged_file_has_no_times(tmp_path, text):
    path = tmp_path / "tiles.json"
    path.write_text(text.replace("VERSION", autotune.version()))
    assert autotune.load(path) == 0
    assert autotune.load(tmp_path / "missing.json") == 0
    assert not choice.measured


def test_products_are_noted_only_where_somebody_asks():
    with choice.noted_products() as products:
        launcher.forget()
        with cnnkit.no_grad():
            from cnnkit_cupy.gpus import GPUS
            from cnnkit_cupy.paper import Paper

            paper = Paper(GPUS["A100"])
            paper.moved(nn.Conv2d(16, 16, 3))(paper.images(1, (16, 5, 5)))
    assert products == {"A100 x108: float32 9x16x144 x1": ("Large", "Narrow", "Small")}
