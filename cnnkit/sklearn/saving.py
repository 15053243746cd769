"""Fitted estimators as one safetensors file, which is read without running code from it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

import cnnkit
from cnnkit.autograd import Tensor
from cnnkit.data import InputFormat
from cnnkit.models.bundle import read_bundle, write_bundle
from cnnkit.safetensors import with_ending
from cnnkit.sklearn.layout import Layout
from cnnkit.sklearn.rows import Moments
from cnnkit.storage import FormatError
from cnnkit.storage.budget import budget_of
from cnnkit.train import Epoch, History

__all__ = ["read", "write"]

FORMAT = 2  # of the settings in the file
FORGOTTEN = ("callbacks",)  # parameters that are code, and are not saved
PLAIN = (str, int, float, bool, type(None))


def write(estimator: Any, path: str | os.PathLike[str]) -> Path:
    """Write a fitted `CNNClassifier` or `CNNRegressor`; see `CNNEstimator.save`."""
    check_is_fitted(estimator)
    params = {name: _plain_parameter(name, value) for name, value in estimator.get_params(deep=False).items()
              if name not in FORGOTTEN}
    state = estimator.optimizer_.state_dict()["state"]
    tensors = {f"module.{name}": value for name, value in estimator.module_.state_dict().items()}
    steps: dict[str, dict[str, int]] = {}
    for number, values in state.items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{number}.{name}"] = value
            else:
                steps.setdefault(str(number), {})[name] = value
    learnt = estimator.module_.input_format
    fitted = {"layout": asdict(estimator.layout_), "pixels": asdict(estimator.pixels_),
              "input_format": None if learnt is None else learnt.as_dict(),
              "seed": estimator._seed, "home": estimator._home, "features": estimator.n_features_in_,
              "history": estimator.history_.as_dicts(), "interrupted": estimator.history_.interrupted,
              "steps": steps, "names": None if not hasattr(estimator, "feature_names_in_")
              else estimator.feature_names_in_.tolist(), **estimator._target_facts()}
    return write_bundle(with_ending(path), tensors, {
        "format": FORMAT, "cnnkit": cnnkit.__version__, "estimator": type(estimator).__name__,
        "params": params, "fitted": fitted})


def read(kind: type, path: str | os.PathLike[str]) -> Any:
    """Read what `write` wrote; see `CNNEstimator.load`."""
    file = with_ending(path)
    if not file.exists():
        raise FileNotFoundError(f"there is no file {file}; {kind.__name__}.save writes it")
    tensors, content = read_bundle(file)
    try:
        if content["estimator"] != kind.__name__:
            raise ValueError(f"it holds a {content['estimator']}, not a {kind.__name__}")
        if content["format"] != FORMAT:
            raise ValueError(f"it has format {content['format']!r}; "
                             f"this version of cnnkit reads format {FORMAT}")
        params = {name: _parameter(value) for name, value in content["params"].items()}
        with budget_of(tensors):
            return _restored(kind(**params), content["fitted"], tensors)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise FormatError(f"{file} holds no {kind.__name__} that can be used: {error}; "
                          "save it again") from error


def _restored(estimator: Any, fitted: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Any:
    estimator.layout_ = Layout(tuple(fitted["layout"]["shape"]), bool(fitted["layout"]["channels_last"]))
    estimator.pixels_ = Moments(**{name: tuple(values) for name, values in fitted["pixels"].items()})
    estimator.n_features_in_, estimator._seed = int(fitted["features"]), int(fitted["seed"])
    if fitted["names"] is not None:
        estimator.feature_names_in_ = np.asarray(fitted["names"], object)
    estimator._take_target_facts(fitted)
    estimator._start(None, load=False)
    estimator._home = fitted["home"]
    if fitted.get("input_format") is not None:
        estimator.module_.input_format = InputFormat.from_dict(fitted["input_format"])
    estimator.history_ = History([Epoch(**row) for row in fitted["history"]], bool(fitted["interrupted"]))
    estimator.n_iter_ = len(estimator.history_)
    parts: dict[str, dict[str, Tensor]] = {"module": {}, "optimizer": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    estimator.module_.load_state_dict(parts["module"])
    state: dict[int, dict[str, Any]] = {int(number): dict(values)
                                        for number, values in fitted["steps"].items()}
    for name, value in parts["optimizer"].items():
        number, _, rest = name.partition(".")
        state.setdefault(int(number), {})[rest] = value
    estimator.optimizer_.load_state_dict({**estimator.optimizer_.state_dict(), "state": state})
    return estimator


def _plain_parameter(name: str, value: Any) -> Any:
    """A parameter as JSON can hold it; a dict as pairs, because its keys may be numbers."""
    if name == "random_state" and not isinstance(value, PLAIN):
        return None
    if isinstance(value, Mapping):
        return {"pairs": [[_plain_parameter(name, key), _plain_parameter(name, v)]
                          for key, v in value.items()]}
    if isinstance(value, list | tuple):
        return [_plain_parameter(name, v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, PLAIN):
        raise TypeError(f"{name}={value!r} is code, which no JSON file can hold: "
                        "give its name or a dict, pickle the estimator, or save the weights alone with "
                        "safetensors.save_file(estimator.module_.state_dict(), path)")
    return value


def _parameter(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _parameter(v) for key, v in value["pairs"]}
    return [_parameter(v) for v in value] if isinstance(value, list) else value
