"""`cnnkit.profile`: every kernel's call is there, by phase and layer, and times add up."""

import json
from xml.etree import ElementTree

import pytest

import cnnkit
from cnnkit import backends, models, nn, optim, train
from cnnkit import functional as F
from cnnkit.data import datasets
from cnnkit.profiling import Profile

CPU = next(table for table in backends.kernel_tables() if table.name == "cpu").available() is True


def step(model, optimizer, x, y):
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()


@pytest.fixture(scope="module")
def profiled():
    """Two steps of CommonCNN on NumPy."""
    cnnkit.manual_seed(0)
    model = models.CommonCNN((1, 8, 8))
    optimizer = optim.Adam(model.parameters())
    x, y = cnnkit.rand(16, 1, 8, 8), cnnkit.tensor([n % 10 for n in range(16)])
    with cnnkit.use("numpy"), cnnkit.profile(model) as profile:
        for _ in range(2):
            step(model, optimizer, x, y)
    return profile


def test_the_kernels_are_those_that_explain_names(profiled):
    model = models.CommonCNN((1, 8, 8))
    with cnnkit.use("numpy"):
        rows = cnnkit.explain(model, cnnkit.rand(16, 1, 8, 8), backward=True).rows
    explained = [(row.layer, row.kernel) for row in rows if not row.backward and "classifier" in row.layer]
    forward = [(event.layer, event.kernel) for event in profiled.events
               if event.phase == "forward" and "classifier" in event.layer]
    assert forward == 2 * explained


def test_every_phase_is_there_and_times_add_up(profiled):
    assert {event.phase for event in profiled.events} == {"forward", "backward", "update"}
    assert [e.name for e in profiled.events if e.phase == "update"] == ["adam", "adam"]
    assert 0 < sum(event.seconds for event in profiled.events) <= profiled.seconds
    starts = [event.start for event in profiled.events]
    assert starts == sorted(starts)
    assert "forward" not in vars(models.CommonCNN((1, 8, 8)))


def test_operations_and_bytes_are_counted(profiled):
    by_layer = {(e.phase, e.layer): e for e in profiled.events}
    fc = by_layer["forward", "classifier.fc2"]
    assert fc.flops == 2 * 16 * 128 * 10
    assert fc.bytes == 4 * (16 * 128 + 128 * 10 + 10 + 16 * 10)
    assert by_layer["backward", "classifier.fc2"].flops == 2 * fc.flops
    for phase in "forward", "backward":
        assert by_layer[phase, "classifier.flatten"].bytes == 0  # the numbers stay where they are


def test_averages_are_sorted_and_limited(profiled):
    averages = profiled.key_averages()
    assert sum(row.calls for row in averages) == len(profiled.events)
    assert sum(row.seconds for row in averages) == pytest.approx(sum(e.seconds for e in profiled.events))
    head, _, first, _, more, *_, last = profiled.table(sort_by="self_cpu_time_total",
                                                            row_limit=2).splitlines()
    assert head.split() == ["phase", "op", "kernel", "share", "total", "calls", "average", "bytes", "FLOP/s",
                            "idle"]
    slowest = max(averages, key=lambda row: row.seconds)
    assert slowest.name in first
    assert more.startswith(f"and {len(averages) - 2} more, ")
    assert "Python and the rest" in last
    assert "classifier.fc1" in profiled.table(by="layer")
    with pytest.raises(ValueError, match="sort_by must be one of total, "):
        profiled.table(sort_by="color")
    with pytest.raises(ValueError, match="by must be one of kernel, layer, shape"):
        profiled.key_averages("day")


def test_memory_rises_and_falls_with_the_arrays_that_are_held():
    with cnnkit.profile() as profile:
        x = cnnkit.ones(1000) + 1
        y = x * 2
        del x
        held = profile._timer.memory[-1][1]
        del y
    assert held == 4000
    assert profile.peak_memory == 8000
    assert profile.memory[-1][1] == 0


def test_the_chrome_trace_is_json_whose_events_nest(profiled, tmp_path):
    profiled.export_chrome_trace(tmp_path / "trace.json")
    rows = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    kernels = [row for row in rows if row["ph"] == "X" and row["cat"] != "module"]
    assert [row["name"] for row in kernels] == [event.name for event in profiled.events]
    assert {row["name"] for row in rows if row.get("cat") == "module"} >= {"model", "features.conv1"}
    assert max(row["args"]["bytes"] for row in rows if row["ph"] == "C") == profiled.peak_memory
    for tid in {row["tid"] for row in rows if row["ph"] == "X"}:
        stack = []
        spans = sorted((row["ts"], -row["dur"]) for row in rows if row["ph"] == "X" and row["tid"] == tid)
        for start, minus in spans:
            while stack and stack[-1] <= start + 1e-3:
                stack.pop()
            assert not stack or start - minus <= stack[-1] + 1e-3
            stack.append(start - minus)


def test_the_flame_graph_is_svg_whose_boxes_lie_within_their_parents(profiled):
    root = ElementTree.fromstring(profiled.flame_graph(width=600))
    boxes = [rect.attrib for rect in root.iter("{http://www.w3.org/2000/svg}rect")]
    titles = [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")]
    assert sum(float(box["width"]) for box in boxes if box["y"] == "0") == pytest.approx(600, abs=3)
    assert {title.partition(":")[0] for title in titles} >= {"forward", "backward", "update", "features"}
    assert any(title.startswith("Python and the rest: ") for title in titles)


def test_a_captured_step_is_seen_kernel_by_kernel():
    model = nn.Linear(4, 3)
    captured = cnnkit.capture(lambda x: model(x).sum(), uses=[model], warn=False)
    x = cnnkit.rand(5, 4)
    with cnnkit.no_grad():
        for _ in range(5):
            captured(x)
        before = captured.replays
        with cnnkit.profile(model) as profile:
            for _ in range(5):
                captured(x)
    assert captured.replays == before
    assert [event.name for event in profile.events].count("linear") == 5


def test_fit_can_be_profiled():
    model = models.CommonCNN((1, 8, 8))
    few = [part[:64] for part in datasets.digits(train=True)[:]]
    with cnnkit.profile(model) as profile:
        train.fit(model, tuple(few), epochs=2, progress=False)
    assert [event.name for event in profile.events].count("adam") == 4


@pytest.mark.skipif(not CPU, reason="the kernel table cpu is not available here")
def test_the_threads_idle_time_is_measured():
    threads = cnnkit.get_num_threads()
    try:
        cnnkit.set_num_threads(2)
        with cnnkit.use("cpu"), cnnkit.profile() as profile:
            F.relu(cnnkit.rand(1 << 20) - 0.5)
    finally:
        cnnkit.set_num_threads(threads)
    relu = next(event for event in profile.events if event.name == "relu")
    assert 0 <= relu.idle <= 2 * relu.seconds


def test_a_block_is_measured_once_and_read_at_its_end():
    profile = cnnkit.profile()
    assert isinstance(profile, Profile)
    with pytest.raises(RuntimeError, match="when its block has ended"):
        profile.table()
    with profile:
        pass
    assert profile.table().endswith(f"{profile.threads} thread{'s' if profile.threads > 1 else ''}")
    with pytest.raises(RuntimeError, match="one block"):
        profile.__enter__()
    with pytest.raises(TypeError, match=r"takes an nn\.Module"):
        cnnkit.profile("model")
