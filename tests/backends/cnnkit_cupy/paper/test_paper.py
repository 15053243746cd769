"""On paper a model launches what it launches on the emulator, and its memory is not touched."""

import resource
from dataclasses import replace

import pytest
from cnnkit_cupy.gpus import GPUS
from cnnkit_cupy.paper import Paper, training_step

import cnnkit
from cnnkit import backends, nn, optim
from cnnkit import functional as F

EMULATOR = next(row for row in backends.list() if row.name == "emulator")


def small():
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 32, 3),
                         nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(), nn.Linear(32 * 16, 10))


@pytest.mark.skipif(not EMULATOR.available, reason=EMULATOR.reason)
def test_a_step_launches_what_it_does_on_the_emulator(launches):
    with cnnkit.use("emulator"):
        model = small()
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(2):
            launches.clear()
            loss = F.cross_entropy(model(cnnkit.ones(4, 1, 12, 12)),
                                   cnnkit.tensor([1, 2, 3, 4], dtype="int64"))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    emulated = sorted(launch for module, found in launches.items() for launch in found if module != "random")
    launches.clear()
    notes = training_step(Paper(GPUS["H100"]), small(), (1, 12, 12), 4)
    assert sorted((note.name, note.grid) for note in notes if note.blocks) == emulated


def test_bytes_are_those_of_the_arrays():
    paper = Paper(GPUS["A100"])
    x = paper.images(2, (16, 8, 8))
    with paper.noting() as notes:
        y = paper.moved(nn.Conv2d(16, 32, 3, padding=1))(x)
    product = notes[-1]
    assert product.read == 4 * (2 * 16 * 64 + 32 + (9 * 16 + 8) * 32)  # images, bias, packed filters
    assert product.written == 4 * 2 * 32 * 64
    assert y.shape == (2, 32, 8, 8)


def test_what_the_array_library_computes_is_noted_and_not_computed():
    paper = Paper(GPUS["A100"])
    x = paper.untouched((3, 4), "float32")
    with paper.noting() as notes:
        y = x * 2 + x
        assert paper.namespace.reshape(x, (12,)).shape == (12,)
        assert paper.namespace.astype(y, "float16").dtype == "float16"
    assert [(note.name, note.read, note.written) for note in notes] == [
        ("multiply", 48, 48), ("add", 96, 48), ("astype", 48, 24)]
    assert not (x == x).host.any()  # noqa: PLR0124 - the shape of a comparison, without its values


def test_arrays_that_would_fill_the_memory_take_none():
    paper = Paper(GPUS["A100"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with cnnkit.no_grad():
        y = paper.moved(nn.Sequential(nn.Conv2d(8, 64, 3, padding=1), nn.ReLU())).eval()(
            paper.images(64, (8, 512, 512)))
    assert y.shape == (64, 64, 512, 512)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10  # kilobytes; y has 4 GB


@pytest.mark.parametrize(("arch", "module"), [(75, "conv2d<float"), (80, "conv2d_tensor<float")])
def test_the_gpu_decides_which_kernels_run(arch, module):
    paper = Paper(replace(GPUS["A100"], arch=arch))
    x = cnnkit.Tensor(paper.cuda.empty((2, 64, 8, 8), "float32", channels_last=True))
    with paper.noting() as notes, cnnkit.no_grad(), cnnkit.precision("tf32"):
        paper.moved(nn.Conv2d(64, 64, 3, bias=False))(x)
    assert notes[-1].name.startswith(module)


def test_a_paper_in_half_precision_uses_kernels_of_half_precision():
    notes = training_step(Paper(GPUS["A100"]), small(), (1, 12, 12), 4, "float16")
    assert any(note.name.startswith("conv2d_tensor<__half") for note in notes)
    assert any(note.name == "sgd<float>" for note in notes)


def test_a_model_comes_onto_paper_without_its_gradients():
    model = small()
    model(cnnkit.ones(1, 1, 12, 12)).sum().backward()
    assert all(p.grad is None for p in Paper(GPUS["A100"]).moved(model).parameters())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_step_in_mixed_precision_launches_kernels_but_for_casts_and_sums_of_gradients(dtype):
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.c1, self.c2 = (nn.Conv2d(16, 16, 3, padding=1, bias=False) for _ in range(2))
            self.b1, self.b2 = nn.BatchNorm2d(16), nn.BatchNorm2d(16)

        def forward(self, x):
            return F.relu(self.b2(self.c2(F.relu(self.b1(self.c1(x))))) + x)
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), Residual(),
                          nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    names = [note.name for note in training_step(Paper(GPUS["A100"]), model, (3, 32, 32), 4, dtype)]
    assert {name for name in names if "<" not in name} <= {"astype", "add"}
    norms = [name for name in names if name.startswith("batch_norm")]
    assert len(norms) == 3 * 4
    assert all(name.endswith(", float>") for name in norms)
