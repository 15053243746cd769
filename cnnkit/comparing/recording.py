"""A run that is kept in a file, to be compared with the same steps of another version, machine or backend."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

import cnnkit
from cnnkit import nn, safetensors, storage
from cnnkit.autograd import Tensor, no_grad
from cnnkit.backends import backend_of
from cnnkit.comparing.causes import cause_beside
from cnnkit.comparing.comparison import Comparison, Difference
from cnnkit.comparing.distance import DIGITS, NARROW, distance, host, limit
from cnnkit.comparing.lockstep import Findings, call_facts, made_batches
from cnnkit.comparing.side import Side
from cnnkit.comparing.tracing import Name, Served
from cnnkit.evaluation.contracts import Data
from cnnkit.evaluation.weighting import cross_entropy

__all__ = ["compare_with_run", "run_facts", "save_run"]

KIND = "cnnkit_run"  # of the file's metadata


def save_run(path: str | os.PathLike[str], place: str, model: nn.Module, data: Data, *, steps: int = 3,
             batch_size: int = 32, optimizer: str = "sgd", lr: float = 0.01, dtype: str | None = None,
             training: bool = True, seed: int = 0) -> Path:
    """Make steps of training on a backend, as `compare` does, and keep all that they compute in a file.

    Parameters
    ----------
    path : path
        A safetensors file; it holds the batches and weights of every step, too.
    place, model, data, steps, batch_size, optimizer, lr, dtype, training, seed
        As those of `compare`; the loss is cross-entropy.

    >>> import tempfile
    >>> from cnnkit import models
    >>> from cnnkit.data import datasets
    >>> model = models.CommonCNN((1, 8, 8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_run(f"{folder}/run.safetensors", "numpy", model, datasets.digits(), steps=1)
    ...     print(compare_with_run(path, "numpy", model).agree)
    True
    """
    side = Side(place, place, model, dtype, optimizer, lr)
    side.model.train(training)
    arrays: dict[str, np.ndarray] = {}
    notes: dict[str, list[str]] = {}  # array -> its dtype, and the kernel that made it
    done = outputs = 0
    for x, y in made_batches(side, data, None, batch_size, steps, seed):
        if not done:
            with side.entered(), no_grad(), nn.evaluating(side.model):
                outputs = side.model(x[:1].to(device=place)).shape[-1]
        done += 1
        arrays |= {f"{done}/x": x.numpy(), f"{done}/y": y.numpy()}
        arrays |= {f"{done}/before/{name}": _kept(tensor.array) for name, tensor in side.state()}
        made = side.step(x, y, cross_entropy, seed + done - 1)
        for calls, kind in ((made.trace, "outputs"), (made.back, "gradients")):
            for served in calls:
                for name, array in getattr(served, kind).items():
                    if array is not None:
                        arrays[_key(done, name)] = _kept(array)
                        row = served.back if name.gradient and served.back else served.row
                        notes[_key(done, name)] = [host(array)[1], f"{row.table}: {row.kernel}"]
        arrays |= {f"{done}/after/{name}": _kept(array) for name, array in made.after.items()}
    facts = {"version": cnnkit.__version__, "place": place, "steps": done, "optimizer": optimizer, "lr": lr,
             "dtype": dtype, "training": training, "seed": seed, "outputs": outputs, "notes": notes}
    safetensors.save_file({name: Tensor(array) for name, array in arrays.items()}, path,
                          {KIND: json.dumps(facts)})
    return Path(path)


def run_facts(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """What a run's file says of it, with the images' shape; ``None`` for another file."""
    text = safetensors.read_metadata(path).get(KIND)
    return None if text is None else json.loads(text)


def compare_with_run(path: str | os.PathLike[str], place: str, model: nn.Module, *,
                     ulps: float | None = None) -> Comparison:
    """Repeat the steps of a file of `save_run` on a backend, each from its weights, and compare.

    Only this side's kernels can be computed anew in float64; so where they are right by what they were given,
    and nothing before has parted, the run in the file is to blame.

    Parameters
    ----------
    path : path
        Of a file of `save_run`.
    place : str
        The backend or kernel table to repeat it on.
    model : Module
        Of the same layers; its weights do not matter, and it is not changed.
    ulps : float, optional
        As that of `compare`.

    Returns
    -------
    Comparison

    Raises
    ------
    FormatError
        If the file holds no run.
    RuntimeError
        If the run is of another model.
    """
    facts = run_facts(path)
    if facts is None:
        raise storage.FormatError(f"{path} holds no run; cnnkit compare --save writes one")
    kept = safetensors.load_file(path)
    side = Side(place, place, model, facts["dtype"], facts["optimizer"], facts["lr"])
    side.model.train(facts["training"])
    found = Findings((f"{Path(path).name} ({facts['place']}, cnnkit {facts['version']})", place), ulps)
    for step in range(1, facts["steps"] + 1):
        prefix = f"{step}/before/"
        state = {name.removeprefix(prefix): value for name, value in kept.items() if name.startswith(prefix)}
        with side.entered():
            side.model.load_state_dict(state)
        made = side.step(kept[f"{step}/x"], kept[f"{step}/y"], cross_entropy, facts["seed"] + step - 1)
        parted = False
        for calls, kind in ((made.trace, "outputs"), (made.back, "gradients")):
            for served in calls:
                for name, array in getattr(served, kind).items():
                    if array is not None and _key(step, name) in kept:
                        key = _key(step, name)
                        parted |= _note(found, step, name, served, (kept[key], array), facts["notes"][key],
                                        parted)
        for name, array in made.after.items():
            pair = host(kept[f"{step}/after/{name}"])[0], host(array)[0]
            dtype = host(array)[1]
            apart = distance(*pair, dtype, limit(dtype) if ulps is None else ulps)
            if dtype in DIGITS and apart is not None:
                found.compared += 1
                cause = ("inputs" if parted else "wrong kernel") if apart.beyond else ""
                found.note(Difference(**vars(apart), step=step, layer=name, what="value after the update",
                                      dtype=dtype, cause=cause), not parted)
    if not found.common:
        raise ValueError(f"{path} and the model have no layer in common; compare a run with its own model")
    return Comparison(type(side.model).__name__, found.sides, facts["steps"], found.compared, ulps,
                      found.parted, tuple(found.explained), tuple(found.rows.values()))


def _note(found: Findings, step: int, name: Name, served: Served, pair: tuple[Any, Any], note: list[str],
          parted: bool) -> bool:
    """Compare a kept array with this side's; whether they are too far apart."""
    found.common = found.common or bool(name.call[0])
    (a, _), (b, dtype) = host(pair[0]), host(pair[1])
    if dtype not in DIGITS or note[0] != dtype or a.shape != b.shape:
        return False
    apart = distance(a, b, dtype, limit(dtype) if found.ulps is None else found.ulps)
    if apart is None:
        return False
    found.compared += 1
    row, what = call_facts(name, served)
    cause = cause_beside(name, served, found.sides, apart, parted) if apart.beyond else None
    found.note(Difference(**vars(apart), step=step, layer=row.layer, what=what, dtype=row.dtype,
                          kernels=(note[1], f"{row.table}: {row.kernel}"), cause=cause.kind if cause else "",
                          explanation=cause.explanation if cause else ""),
               cause is not None and cause.blamed)
    return cause is not None


def _key(step: int, name: Name) -> str:
    layer, op, number = name.call
    return f"{step}/{'gradient' if name.gradient else 'output'}/{name.position}/{op}/{number}/{layer}"


def _kept(array: Any) -> np.ndarray:
    """A copy on the host; numbers of 16 bits in float32, whose values are theirs."""
    values, dtype = host(array)
    return values.astype(np.float32) if dtype in NARROW else np.array(backend_of(array).to_numpy(array))
