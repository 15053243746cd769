"""TensorBoard, MLflow and Wandb: what they write, read back by their own readers."""

import json
import sys
from pathlib import Path

import pytest

from cnnkit import models, nn, train
from cnnkit.data import Subset, datasets
from cnnkit.train.callbacks import Callback, Checkpoint, MLflow, TensorBoard, Wandb
from cnnkit.train.callbacks.experiment_logger import ExperimentLogger

FEW = Subset(datasets.digits(train=True), range(96))
CLASSES = {"tensorboardX": TensorBoard, "mlflow": MLflow, "wandb": Wandb}


def fit(*callbacks, epochs=2, model=None, **settings):
    return train.fit(model or models.CommonCNN((1, 8, 8)), FEW, epochs=epochs, validation=FEW, seed=7,
                     callbacks=callbacks, progress=False, capture=False, **settings)


@pytest.mark.parametrize("package", CLASSES)
def test_without_the_package_the_error_names_the_extra(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    arguments = ("runs",) if package == "tensorboardX" else ()
    with pytest.raises(ModuleNotFoundError, match=rf"{package}: pip install 'cnnkit\[loggers\]'"):
        CLASSES[package](*arguments)


class Kept(ExperimentLogger):
    """Keeps what it is told; it needs a package that is always there."""

    package = "json"

    def __init__(self, fails=False):
        super().__init__()
        self.told, self.fails = [], fails

    def open(self, run, settings):
        self.told.append(settings)

    def write(self, run, epoch, figures):
        if self.fails:
            raise ConnectionError("nobody is there")
        self.told.append((epoch, figures))

    def close(self, run, status):
        self.told.append(status)


def test_settings_figures_and_the_end_are_told():
    kept = Kept()
    history = fit(kept, lr=0.01)
    settings, first, second, end = kept.told
    assert settings["model"] == "CommonCNN"
    expected = {"optimizer": "Adam", "lr": 0.01, "epochs": 2, "seed": 7}
    assert {name: settings[name] for name in expected} == expected
    assert (first[0], second[0], end) == (1, 2, "finished")
    assert first[1]["loss"] == history[0].loss
    assert second[1]["val_accuracy"] == history[1].val_accuracy


def test_a_logger_that_fails_is_a_warning_and_training_goes_on():
    message = r"Kept could not log \(ConnectionError: nobody is there\)"
    with pytest.warns(RuntimeWarning, match=message) as seen:
        assert len(fit(Kept(fails=True))) == 2
    assert len(seen) == 1


def test_an_error_and_an_interruption_are_told_as_the_end():
    class Stops(Callback):
        def on_train_batch_end(self, run):
            if run.step == 2:
                self.act(run)

    kept, stops = Kept(), Stops()
    stops.act = lambda run: run.pause("because a test says so")
    fit(kept, stops)
    assert kept.told[-1] == "interrupted"

    def fails(run):
        raise ZeroDivisionError
    kept, stops.act = Kept(), fails
    with pytest.raises(ZeroDivisionError):
        fit(kept, stops)
    assert kept.told[-1] == "failed"


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.flatten, self.head = nn.Flatten(), nn.Linear(256, 10)

    def forward(self, x):
        x = self.first(x)
        return self.head(self.flatten(x + self.second(x)))


def test_tensorboard_reads_scalars_images_histograms_graph_and_hyper_parameters(tmp_path):
    pytest.importorskip("tensorboardX")
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.plugins.hparams import metadata

    history = fit(TensorBoard(tmp_path), model=Residual())
    events = reading.EventAccumulator(str(tmp_path), size_guidance={"images": 0, "histograms": 0})
    events.Reload()
    tags = events.Tags()
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "lr"} <= {*tags["scalars"]}
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [
        (n, pytest.approx(loss)) for n, loss in enumerate(history["loss"], 1)]
    assert {"images", "filters/first.weight"} <= {*tags["images"]}
    assert events.Images("images")[0].encoded_image_string.startswith(b"\x89PNG")
    assert {"parameters/head.bias", "gradients/first.weight"} <= {*tags["histograms"]}
    assert events.Histograms("parameters/head.bias")[0].histogram_value.num == 10
    graph = GraphDef.FromString(events.Graph().SerializeToString())
    edges = {node.name: (node.op, [*node.input]) for node in graph.node}
    assert edges["second"] == ("Conv2d", ["first"])
    assert edges["flatten"][1] == ["second"]  # the sum came in between
    assert edges["first"][1] == ["input"]
    assert [dim.size for dim in graph.node[1].attr["_output_shapes"].list.shape[0].dim] == [32, 4, 8, 8]
    started = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    found = metadata.parse_session_start_info_plugin_data(started).hparams
    assert (found["optimizer"].string_value, found["epochs"].number_value) == ("Adam", 2)


def test_mlflow_reads_parameters_metrics_and_status_and_a_resumed_run_goes_on(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # mlflow-skinny has no other without a server
    uri = (tmp_path / "runs").as_uri()
    logger = MLflow("digits", uri, "small")
    fit(logger, Checkpoint(tmp_path / "checkpoints"), lr=0.01)
    client = mlflow.MlflowClient(uri)
    stored = client.get_run(logger.run_id)
    assert (stored.info.status, stored.info.run_name) == ("FINISHED", "small")
    assert (stored.data.params["model"], stored.data.params["lr"]) == ("CommonCNN", "0.01")
    again = MLflow("digits", uri)
    history = fit(again, Checkpoint(tmp_path / "checkpoints"), epochs=3, lr=0.01, resume=True)
    assert again.run_id == logger.run_id
    losses = client.get_metric_history(logger.run_id, "loss")
    assert [(m.step, m.value) for m in losses] == [(n, loss) for n, loss in enumerate(history["loss"], 1)]
    assert client.get_run(logger.run_id).info.status == "FINISHED"


def wandb_records(data):
    """The records of a .wandb file: LevelDB's log format behind a header of seven bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    assert data[:4] == b":W&B"
    records, place, whole = [], 7, b""
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:  # no room for a header: the block is filled up
            place += left
            continue
        size, kind = int.from_bytes(data[place + 4:place + 6], "little"), data[place + 6]
        whole += data[place + 7:place + 7 + size]
        if kind in (1, 4):  # a record in one piece, or its last piece
            records.append(Record.FromString(whole))
            whole = b""
        place += 7 + size
    return records


def test_wandb_writes_config_and_figures_offline(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    history = fit(Wandb("digits", tmp_path, "offline"), lr=0.01)
    wandb.teardown()  # its process writes the rest
    file, = Path(tmp_path).glob("wandb/offline-run-*/run-*.wandb")
    records = wandb_records(file.read_bytes())
    rows = [{item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
            for record in records if record.HasField("history")]
    assert [row["loss"] for row in rows] == history["loss"]
    config = {item.key or item.nested_key[0]: json.loads(item.value_json)
              for record in records if record.HasField("run") for item in record.run.config.update}
    config |= {item.key or item.nested_key[0]: json.loads(item.value_json)
               for record in records if record.HasField("config") for item in record.config.update}
    assert (config["model"], config["lr"]) == ("CommonCNN", 0.01)
    assert [record.exit.exit_code for record in records if record.HasField("exit")] == [0]
