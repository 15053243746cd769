"""`fit(diagnose=True)` finds each fault of the guide and names its remedy; a good network has none."""

import numpy as np
import pytest

from cnnkit import models, nn, no_grad, random, train
from cnnkit.data import Subset, datasets
from cnnkit.train.callbacks import Checkpoint, Diagnose

LEARN, HELD_OUT = datasets.digits(train=True), datasets.digits(train=False)


def diagnosed(model, data=LEARN, **settings):
    settings = {"epochs": 2, "progress": False, "seed": 0, "diagnose": True} | settings
    return train.fit(model, data, **settings).diagnosis


def names(diagnosis):
    return [finding.name for finding in diagnosis.findings]


def deep(activation):
    random.seed(0)
    layers = [layer for _ in range(10) for layer in (nn.Linear(64, 64), activation())]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, 10))


def test_a_sigmoid_network_of_ten_layers_has_vanishing_gradients_and_relu_has_not():
    diagnosis = diagnosed(deep(nn.Sigmoid))
    assert names(diagnosis) == ["vanishing gradients"]
    assert "the gradient of 1 has a norm of" in str(diagnosis)
    assert ("Use ReLU, the default for CNNs, which avoids vanishing gradients; "
            "Sigmoid causes them" in str(diagnosis))
    model = deep(nn.ReLU)
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    assert "vanishing gradients" not in names(diagnosed(model))


def test_relus_that_are_pushed_below_zero_are_dead():
    random.seed(0)
    model = models.CommonCNN((1, 8, 8))
    with no_grad():
        model.features.conv2.bias.fill_(-100.0)
    diagnosis = diagnosed(model, epochs=1)
    assert "dead units" in names(diagnosis)
    assert "100% of features.relu2" in str(diagnosis)
    assert "leaky ReLU" in str(diagnosis)
    assert next(row["dead"] for row in diagnosis.layers if row["layer"] == "features.relu2") == 1.0


@pytest.mark.parametrize(("spoil", "evidence"), [
    (lambda w: w.fill_(0.01), "all filters of features.conv1 (Conv2d) begin with the same weights"),
    (lambda w: w.mul_(1e4), "its weights are too large"),
    (lambda w: w.mul_(1e-5), "its weights are too small"),
])
def test_a_bad_initialisation_is_named(spoil, evidence):
    random.seed(0)
    model = models.CommonCNN((1, 8, 8))
    with no_grad():
        spoil(model.features.conv1.weight)
        model.features.conv1.bias.zero_()
    diagnosis = diagnosed(model, epochs=1)
    assert "bad initialisation" in names(diagnosis)
    assert evidence in str(diagnosis)
    assert "kaiming" in str(diagnosis)


def test_weights_that_are_too_small_only_together_are_a_bad_initialisation():
    random.seed(0)
    model = models.CommonCNN((1, 8, 8))
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=1e-3)  # each layer's output is more than a thousandth of its input
        else:
            nn.init.zeros_(parameter)
    diagnosis = diagnosed(model, epochs=1)
    assert "bad initialisation" in names(diagnosis)
    assert "the output of features.conv2 (Conv2d) has a standard deviation of" in str(diagnosis)
    assert "the weights of the layers up to there are too small" in str(diagnosis)


def test_overfitting_is_named_with_the_guides_remedies():
    random.seed(0)
    noise = np.random.default_rng(0).integers(0, 10, 60)
    images = np.stack([LEARN[i][0] for i in range(60)])
    diagnosis = diagnosed(models.CommonCNN((1, 8, 8)), (images, noise), epochs=60, lr=0.01,
                          validation=HELD_OUT)
    assert names(diagnosis) == ["overfitting"]
    for remedy in ("augmentation", "dropout", "L2"):
        assert remedy in str(diagnosis)


def test_a_loss_that_rises_on_held_out_images_is_overfitting_too():
    rows = [train.Epoch(n + 1, loss, None, 1.0, 1.0, held)
            for n, (loss, held) in enumerate([(1.0, 1.0), (0.5, 0.8), (0.2, 1.2)])]
    diagnosis = train.diagnosis.diagnose([{"step": 0, "layers": []}], train.History(rows))
    assert ("the held-out loss has risen from 0.8000 to 1.2000 while the training loss fell to 0.2000"
            in str(diagnosis))


def test_a_network_that_learns_well_has_no_findings_and_is_not_changed_by_the_diagnosis(capsys):
    def weights(**settings):
        random.seed(0)
        model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2),
                              nn.Flatten(), nn.Linear(512, 10))
        history = train.fit(model, LEARN, epochs=2, lr=5e-3, seed=0, validation=HELD_OUT, **settings)
        return history, {n: v.numpy() for n, v in model.state_dict().items()}

    plain, with_diagnosis = weights(), weights(diagnose=True)
    assert "Diagnosis: nothing wrong was found" in capsys.readouterr().out
    assert names(with_diagnosis[0].diagnosis) == []
    for name, value in plain[1].items():
        np.testing.assert_array_equal(value, with_diagnosis[1][name], err_msg=name)
    assert plain[0].diagnosis is None


def test_the_table_has_a_row_for_each_layer():
    random.seed(0)
    diagnosis = diagnosed(models.CommonCNN((1, 8, 8)), Subset(LEARN, range(64)), epochs=1)
    lines = diagnosis.table().splitlines()
    assert lines[0].split() == ["layer", "gradient", "norm", "mean", "deviation", "dead", "units"]
    assert len(lines) == 1 + len(diagnosis.layers)
    for row in diagnosis.layers:
        assert (row["gradient"] is not None) == (row["kind"] in ("Conv2d", "Linear"))
        assert (row["dead"] is not None) == (row["kind"] == "ReLU")


def test_the_figures_are_those_of_numpy():
    arrays = {}

    class Recording(Diagnose):
        def on_before_optimizer_step(self, run):
            super().on_before_optimizer_step(run)
            arrays["x"], arrays["grad"] = run.inputs[0][0].numpy(), run.model[1].weight.grad.numpy()
            arrays["weight"], arrays["bias"] = run.model[1].weight.numpy(), run.model[1].bias.numpy()

    random.seed(0)
    diagnose = Recording()
    train.fit(nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.ReLU()), Subset(LEARN, range(20)),
              callbacks=[diagnose], progress=False)
    out = arrays["x"].reshape(20, 64) @ arrays["weight"].T + arrays["bias"]
    flat, linear, relu = diagnose.probes[0]["layers"]
    assert linear["gradient"] == pytest.approx(np.linalg.norm(arrays["grad"]), rel=1e-5)
    assert (linear["mean"], linear["std"]) == pytest.approx((out.mean(), out.std()), rel=1e-4)
    assert linear["input_std"] == flat["std"] == pytest.approx(arrays["x"].std(), rel=1e-5)
    assert relu["dead"] == pytest.approx((out <= 0).all(0).mean())


def test_on_every_backend(backend):
    random.seed(0)
    diagnosis = diagnosed(models.CommonCNN((1, 8, 8)), Subset(LEARN, range(32)), epochs=1)
    assert [row["kind"] for row in diagnosis.layers].count("ReLU") >= 2


def test_a_resumed_run_is_diagnosed_as_a_whole_one(tmp_path):
    def go(epochs, **settings):
        random.seed(0)
        return diagnosed(models.CommonCNN((1, 8, 8)), Subset(LEARN, range(64)), epochs=epochs, **settings)

    whole = go(3)
    go(1, callbacks=[Checkpoint(tmp_path)])
    assert go(3, resume=tmp_path).layers == whole.layers
