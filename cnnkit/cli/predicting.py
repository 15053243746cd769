"""``cnnkit predict`` and ``cnnkit evaluate``: using a saved model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cnnkit.cli.architectures import Import, load_saved
from cnnkit.cli.holding_out import Unseen, damaged, unseen
from cnnkit.cli.screen import counted, error_screen, screen

__all__ = ["evaluate", "matching", "predict", "use"]

MATRIX = 20  # the most classes whose confusion matrix is shown whole
MISTAKES = 10  # how many of the most frequent mistakes are listed instead of a larger matrix


def predict(
    model: Annotated[Path, typer.Argument(help="A model that `cnnkit train` saved, or an ONNX file.")],
    images: Annotated[list[Path], typer.Argument(help="Image files, of any size, or folders of them.")],
    top_k: Annotated[int, typer.Option(min=1, help="Show the K most probable classes of each image.")] = 1,
    probabilities: Annotated[bool, typer.Option("--probabilities",
                                                help="Show the probability of every class.")] = False,
    as_json: Annotated[bool, typer.Option("--json",
                                          help="Print JSON: a list with an object for each image.")] = False,
    backend: Annotated[str | None, typer.Option(help="Array library or kernel table.",
                                                show_default="numpy")] = None,
    invert: Annotated[bool, typer.Option("--invert", help="For dark strokes on light "
                                                          "paper, where the model has learnt light on "
                                                          "dark (digits, mnist, fashion-mnist).")] = False,
    mean: Annotated[str | None, typer.Option(help="For an ONNX file that does not say it: what is taken off "
                                             "pictures that are scaled to [0, 1], such as 0.485,0.456,0.406.",
                                             show_default="0")] = None,
    std: Annotated[str | None, typer.Option(help="And what they are divided by then.",
                                            show_default="1")] = None,
    import_: Import = None,
) -> None:
    """Say which class each image is, and how sure the model is."""
    from cnnkit import train as training
    from cnnkit.cli.pictures import files_of, read_images

    use(backend)
    saved = load_saved(model, import_)
    saved.model.float()  # as the images are; a file may hold 16 bits
    unread: dict[Path, str] | None = {} if any(path.is_dir() for path in images) else None
    images = files_of(images)
    names = saved.classes
    if top_k > len(names):
        raise ValueError(f"--top-k {top_k}: the model has {len(names)} classes")
    C, H, W = saved.input_shape
    size = (None, None) if saved.takes_any_size else (H, W)
    transform = saved.transform
    if mean is not None or std is not None:
        from cnnkit.cli.onnx_file import normalisation

        transform = normalisation(mean, std, C)
    pictures = read_images(images, (C, *size), invert, transform, unread)
    if unread:
        left_out = f"{'is' if len(unread) == 1 else 'are'} left out"
        error_screen().print(f"cnnkit: {len(unread):,} of {counted(len(images), 'image')} cannot be read and "
                             f"{left_out}:")
        for reason in unread.values():
            error_screen().print(f"cnnkit:     {reason}")
        images = [path for path in images if path not in unread]
    rows = training.predict_proba(saved.model, pictures).tolist()
    ranked = [sorted(range(len(names)), key=lambda i: -row[i])[:len(names) if probabilities else top_k]
              for row in rows]
    if as_json:
        results: list[dict[str, Any]] = []
        for path, row, order in zip(images, rows, ranked):
            results.append({"image": str(path), "class": names[order[0]], "probability": row[order[0]],
                            "top": [{"class": names[i], "probability": row[i]} for i in order[:top_k]]})
            if probabilities:
                results[-1]["probabilities"] = dict(zip(names, row))
        print(json.dumps(results, indent=2))
        return
    table = Table("image", "class", "probability", box=None, pad_edge=False)
    for path, row, order in zip(images, rows, ranked):
        for rank, i in enumerate(order):
            table.add_row(str(path) if rank == 0 else "", names[i], f"{row[i]:.4f}")
    screen().print(table)


def evaluate(
    model: Annotated[Path, typer.Argument(help="A model that `cnnkit train` saved.")],
    data: Annotated[str, typer.Argument(help="digits, mnist, fashion-mnist, a folder of class folders, "
                                             "or an .npz file: its test part, or what was held out of it, or "
                                             "all.")],
    top_k: Annotated[int | None, typer.Option(min=1, help="Also the share of images whose class is among the "
                                              "K most probable.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    min_accuracy: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Exit with status 1 where the "
                                                       "accuracy is lower.", show_default=False)] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images a step.")] = 256,
    backend: Annotated[str | None, typer.Option(help="Array library or kernel table.",
                                                show_default="numpy")] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch MNIST or Fashion-MNIST if they "
                                           "are not here.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Measure all images of data without a test part, also "
                                        "those that the model has learned from.")] = False,
    import_: Import = None,
) -> None:
    """Measure a saved model on data: accuracy; precision, recall and F1 by class; the confusion matrix."""
    from cnnkit import train as training
    from cnnkit.evaluation.metrics import ConfusionMatrix, TopKAccuracy, precision_recall_f1

    use(backend)
    saved = load_saved(model, import_)
    saved.model.float()  # as the images are; a file may hold 16 bits
    names = saved.classes
    if top_k is not None and top_k > len(names):
        raise ValueError(f"--top-k {top_k}: the model has {len(names)} classes")
    measured = matching(data, saved, model, download, every)
    images = measured.images
    if measured.warning:
        error_screen().print(f"cnnkit: {measured.warning}")
    confusion, top = ConfusionMatrix(), TopKAccuracy(top_k or 1)
    scores = training.evaluate(saved.model, images, batch_size=batch_size, metrics=[confusion, top])
    matrix = confusion.compute()
    by_class, means = precision_recall_f1(matrix), precision_recall_f1(matrix, "macro")
    accuracy = scores.accuracy or 0.0
    if as_json:
        classes = [{"class": name, "precision": p, "recall": r, "f1": f, "images": sum(row)}
                   for name, p, r, f, row in zip(names, *by_class, matrix)]
        print(json.dumps({"model": str(model), "data": data, "part": measured.part,
                          "images": len(images), "loss": scores.loss,
                          "accuracy": accuracy, **({f"top_{top_k}": top.compute()} if top_k else {}),
                          **dict(zip(("precision", "recall", "f1"), means)),
                          "classes": classes, "confusion_matrix": matrix}, indent=2))
    else:
        console = screen()
        part = " held out of the training" if measured.part == "held-out part" else ""
        console.print(f"{counted(len(images), 'image')} of {data}{part}: accuracy {accuracy:.4f}"
                      + (f", top-{top_k} accuracy {top.compute():.4f}" if top_k else "")
                      + f", loss {scores.loss:.4f}")
        table = Table("class", *("precision", "recall", "F1", "images"), box=None, pad_edge=False)
        for name, *figures, row in zip(names, *by_class, matrix):
            table.add_row(name, *(f"{figure:.4f}" for figure in figures), f"{sum(row):,}")
        table.add_row("(mean)", *(f"{figure:.4f}" for figure in means), f"{len(images):,}")
        console.print(table)
        console.print(_confusion(names, matrix))
    if min_accuracy is not None and accuracy < min_accuracy:
        raise typer.Exit(1)


def use(backend: str | None) -> None:
    """Use a backend, where one is named."""
    import cnnkit

    if backend is not None:
        cnnkit.use(backend)


def matching(source: str, saved: Any, model: Path, download: bool, every: bool) -> Unseen:
    """The test part of the data, or what was held out, or all, as the model takes it."""
    from cnnkit import data as datasets

    channels, height, width = saved.input_shape
    folder = source not in datasets.SOURCES and Path(source).is_dir()
    size = (height, width) if folder and not saved.takes_any_size else None
    learn, test = datasets.load(source, size=size, download=download,
                                transform=saved.transform,
                                mode={1: "L", 3: "RGB"}.get(channels) if folder else None,
                                on_error="skip")
    for line in damaged(learn if test is None else test):
        error_screen().print(f"cnnkit: {line}")
    measured = unseen(saved, model, source, learn, test, every)
    images = measured.images
    if tuple(images.image_shape) != tuple(saved.input_shape):
        raise ValueError(f"the images of {source} are {' x '.join(map(str, images.image_shape))}; "
                         f"{model} takes {' x '.join(map(str, saved.input_shape))}")
    if images.classes is not None and list(images.classes) != saved.classes:
        raise ValueError(f"the classes of {source} are {', '.join(images.classes)}; those of {model} are "
                         f"{', '.join(saved.classes)}")
    return measured


def _confusion(names: list[str], matrix: list[list[int]]) -> Table:
    """The confusion matrix; or, where there are many classes, the most frequent mistakes."""
    if len(names) <= MATRIX:
        table = Table(box=None, pad_edge=False)
        table.add_column("true \\ predicted")
        for name in names:
            table.add_column(name, justify="right")
        for name, row in zip(names, matrix):
            table.add_row(name, *("." if count == 0 else str(count) for count in row))
        return table
    mistakes = sorted(((count, i, j) for i, row in enumerate(matrix) for j, count in enumerate(row)
                       if i != j and count), reverse=True)
    table = Table("true class", "predicted", "images", box=None, pad_edge=False)
    for count, i, j in mistakes[:MISTAKES]:
        table.add_row(names[i], names[j], f"{count:,}")
    return table
