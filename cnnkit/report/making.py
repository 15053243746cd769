"""`make_report`: runs a model on data once, and hands what it measured to the parts of the page."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnkit import functional as F
from cnnkit import nn
from cnnkit.autograd import Tensor, tensor
from cnnkit.data import InputFormat, description
from cnnkit.evaluation.contracts import Data
from cnnkit.evaluation.evaluate import batches, evaluating, plain
from cnnkit.evaluation.intake import Intake
from cnnkit.plot.curves import curves
from cnnkit.plot.pictures import shown, thumbnail
from cnnkit.report import answers as parts
from cnnkit.report import heat, views
from cnnkit.report.network import network
from cnnkit.report.page import Report, rendered
from cnnkit.report.runs import Run, diagnosis_of, versions
from cnnkit.report.sizes import by_size
from cnnkit.report.step import step_profile
from cnnkit.train import History

__all__ = ["make_report"]

MEMORY = 256 * 1024 * 1024  # bytes of images that are kept
BATCH, PIXELS = 32, 1 << 19  # the most images whose kernels are explained, and their pixels


def make_report(model: nn.Module, data: Data, history: History | Run | Sequence[Run] | None = None, *,
                title: str = "", settings: dict[str, Any] | None = None, classes: Sequence[str] | None = None,
                show: Sequence[int] | None = None, most: int = 2000, analyze: bool = True) -> Report:
    """Describe a network and what it makes of data, in one HTML page.

    The page has five parts: how the network learnt, its layers with the kernels that ran them, its filters
    and feature maps, the pixels that its answers rest on, and its right and wrong answers. The last two are
    for classifiers of images. Nothing in the model changes.

    Parameters
    ----------
    model : Module
        Takes images (N, C, H, W).
    data : dataset, loader, or (images, labels)
        What to measure it on, as `cnnkit.train.evaluate` takes it; best what it has not learnt from.
    history : History, Run, or sequence of Run, optional
        How it was trained; several runs are drawn over each other.
    title : str
        By default the model's class.
    settings : dict, optional
        More of what it takes to repeat the run, by name.
    classes : sequence of str, optional
        Their names; by default the data's, or those of the model's ``input_format``.
    show : sequence of int, optional
        Positions of the images whose maps are shown; by default two right and two wrong answers.
    most : int
        Measure at most so many images, the first of the data.
    analyze : bool
        Measure how long each kernel takes.

    Returns
    -------
    Report

    Raises
    ------
    ImportError
        If Jinja2 is not installed.
    ValueError
        If the data hold no images (C, H, W), or `show` names one that there is not.
    """
    began = time.perf_counter()
    runs = _runs(history, title or type(model).__name__)
    learnt = model.input_format if isinstance(model.input_format, InputFormat) else None
    channels = views.Channels(model)
    images, labels, output, features = _measured(model, data, most, channels)
    order = "RGB" if learnt is None else learnt.channel_order
    pictures = shown(images, *((None, None) if learnt is None else (learnt.mean, learnt.std)), order)
    page: dict[str, Any] = {"title": title or type(model).__name__, "images": len(images), "runs": runs,
                            "curves": curves([(run.name, run.history.as_dicts()) for run in runs]),
                            "versions": versions(), "settings": settings or {},
                            "shape": images.shape[1:]}
    answers = None
    if output.ndim == 2 and output.shape[1] > 1 and labels.ndim == 1 and labels.dtype.kind in "iu":
        names = _names(classes, data, learnt, output.shape[1])
        probabilities = F.softmax(tensor(output), dim=1).numpy()
        small = [thumbnail(picture) for picture in pictures]
        answers = parts.Answers(probabilities, labels, features, small, names)
        page |= {"confusions": parts.confusions(answers), "mistakes": parts.mistakes(answers),
                 "calibration": parts.calibration(answers), "neighbours": parts.neighbours(answers),
                 "accuracy": answers.accuracy, "sizes": by_size(answers)}
    chosen = _chosen(show, answers, len(images))
    some = _placed(model, images[chosen])
    count = max(1, min(BATCH, PIXELS // int(np.prod(images.shape[2:]))))
    some_images = _placed(model, images[:count])
    net = network(model, some_images, analyze)
    if analyze:
        target = None if answers is None else tensor(labels[:count].tolist())
        page["step"] = step_profile(model, some_images, target)
    page |= {"network": net, "filters": views.filters(model, order),
             "dead": channels.dead(), "doubles": channels.doubles(),
             "diagnosis": diagnosis_of(runs[0].history if runs else History(), channels.idle_shares())}
    if views.convolutions(model):
        page |= {"maps": views.feature_maps(model, some, pictures[chosen]),
                 "fields": views.receptive_pictures(model, net.graph, some[:1], pictures[chosen[0]])}
    if answers is not None:
        predicted = answers.predicted[chosen]
        texts = [f"{names[p]}, {answers.confidence[n]:.0%}" + (
            "" if p == labels[n] else f" (is {names[labels[n]]})") for n, p in zip(chosen, predicted)]
        target = tensor(predicted.tolist())
        page |= {"heat": heat.attributions(model, some, target, pictures[chosen], texts),
                 "methods": heat.METHODS, "sanity": heat.sanity(model, some[:2], target[:2])}
    page["seconds"] = time.perf_counter() - began
    return Report(rendered(page), page["title"])


def _runs(history: Any, name: str) -> list[Run]:
    """The runs that have epochs."""
    if isinstance(history, History):
        history = [Run(name, history)]
    runs = [history] if isinstance(history, Run) else list(history or [])
    return [run for run in runs if len(run.history)]


def _measured(model: nn.Module, data: Data, most: int, channels: views.Channels) -> tuple[np.ndarray, ...]:
    """Images, labels, outputs and features (N, ...) of the first of the data, in host memory."""
    intake, features = Intake(model), []
    kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    last = [m for m in model.modules() if any(True for _ in m.parameters(recurse=False))][-1:]

    def keep(module: nn.Module, inputs: tuple) -> None:
        values = inputs[0].numpy()
        features.append(values.reshape(*values.shape[:2], -1).mean(2) if values.ndim > 2 else values)

    handles = [*channels.hooks(), *[m.register_forward_pre_hook(keep) for m in last]]
    count = 0
    try:
        with evaluating(model):
            for batch in plain(batches(data, 64, intake=intake)):
                x, y, *_ = intake.read(batch)
                if x.ndim != 4:
                    raise ValueError(f"a report is on images (N, C, H, W); the data give {tuple(x.shape)}")
                output = model(x)
                if not isinstance(output, Tensor):
                    raise ValueError("a report is on models that give one Tensor, not a "
                                     f"{type(output).__name__}")
                kept.append((x.numpy(), y.numpy(), output.numpy()))
                count += len(x)
                if count >= min(most, MEMORY // max(x.numpy()[0].nbytes, 1)):
                    break
    finally:
        for handle in handles:
            handle.remove()
    if not count:
        raise ValueError("the data hold no images")
    images, labels, outputs = (np.concatenate(column)[:most] for column in zip(*kept))
    found = np.concatenate(features)[:most] if features else outputs.reshape(len(outputs), -1)
    return images, labels, outputs, found if len(found) == len(images) else outputs.reshape(len(outputs), -1)


def _placed(model: nn.Module, images: np.ndarray) -> Tensor:
    """Images on the model's backend, with its dtype."""
    x, like = Tensor(images), next(model.parameters(), None)
    return x if like is None else x.to(like.backend, dtype=like.dtype)


def _names(given: Sequence[str] | None, data: Any, learnt: InputFormat | None, count: int) -> list[str]:
    """The classes' names, as many as the model has."""
    found = description.class_names(description.dataset_of(data) or data)
    for names in (given, found, None if learnt is None else learnt.classes):
        if names is not None and len(names) == count:
            return [str(name) for name in names]
    return [str(n) for n in range(count)]


def _chosen(show: Sequence[int] | None, answers: parts.Answers | None, count: int) -> list[int]:
    """Positions of the images whose maps are shown."""
    if show is not None:
        if not len(show) or any(not 0 <= n < count for n in show):
            raise ValueError(f"show={list(show)}: it takes positions from 0 to {count - 1}")
        return [int(n) for n in show]
    if answers is None:
        return list(range(min(4, count)))
    right = np.flatnonzero(answers.predicted == answers.labels)
    labels = dict.fromkeys(answers.labels[right].tolist())
    firsts = [int(right[answers.labels[right] == label][0]) for label in labels]
    wrong = np.flatnonzero(answers.predicted != answers.labels)
    surest = wrong[np.argsort(-answers.confidence[wrong], kind="stable")].tolist()
    chosen = [*firsts[:2], *surest[:2], *firsts[2:], *surest[2:]]
    return chosen[:4]
