"""A run in a file: the same version agrees with it, and what another computes otherwise is found."""

import pytest

import cnnkit
from cnnkit import backends, models, nn, safetensors, storage
from cnnkit.backends import KernelTable
from cnnkit.comparing import compare_with_run, save_run
from cnnkit.data import datasets
from cnnkit.ops import OPS


@pytest.fixture
def model():
    return models.CommonCNN((1, 8, 8))


@pytest.fixture
def path(model, tmp_path):
    return save_run(tmp_path / "run.safetensors", "numpy", model, datasets.digits(), steps=2, batch_size=8)


@pytest.fixture
def scaled():
    """A table whose gradient of a linear layer's weight is a hundredth too large."""
    def linear(*arrays, needs, **attrs):
        y, backward = OPS["linear"].generic(*arrays, needs=needs, **attrs)

        def scaled(dy):
            dx, dw, db = backward(dy)
            return dx, dw * 1.01, db
        return y, backward and scaled
    backends.register_table(KernelTable("scaled", "numpy", {"linear": linear}))
    yield
    backends.register_table(remove="scaled")


def test_the_same_kernels_agree_to_the_bit_from_whatever_weights_the_model_has(path):
    result = compare_with_run(path, "numpy", models.CommonCNN((1, 8, 8)))
    assert result.agree
    assert result.steps == 2
    assert {row.most for row in result.rows} == {0.0}
    assert {row.what for row in result.rows} >= {"output", "gradient of weight", "value after the update"}
    assert f"run.safetensors (numpy, cnnkit {cnnkit.__version__}) and numpy agree" in str(result)


def test_another_backend_agrees_within_rounding(path, model):
    assert compare_with_run(path, "array-api-strict", model).agree


def test_a_wrong_kernel_of_this_side_is_found(path, model, scaled):
    parted = compare_with_run(path, "scaled", model).parted
    assert (parted.step, parted.layer, parted.what) == (1, "classifier.fc2", "gradient of weight")
    assert parted.cause == "wrong kernel"
    assert parted.explanation.startswith("scaled: ")


def test_a_wrong_kernel_of_the_run_is_found(model, scaled, tmp_path):
    path = save_run(tmp_path / "run.safetensors", "scaled", model, datasets.digits(), steps=1, batch_size=8)
    parted = compare_with_run(path, "numpy", model).parted
    assert (parted.layer, parted.what) == ("classifier.fc2", "gradient of weight")
    assert parted.cause == "wrong kernel"
    assert parted.explanation.endswith(f"run.safetensors (scaled, cnnkit {cnnkit.__version__}) is wrong")


def test_other_files_and_other_models_are_refused(path, model, tmp_path):
    safetensors.save_file({"a": cnnkit.ones(2)}, tmp_path / "other.safetensors")
    with pytest.raises(storage.FormatError, match="holds no run; cnnkit compare --save writes one"):
        compare_with_run(tmp_path / "other.safetensors", "numpy", model)
    with pytest.raises(RuntimeError, match="missing 2: weight, bias"):
        compare_with_run(path, "numpy", nn.Linear(3, 2))
