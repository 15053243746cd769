"""``cnnkit compare``: where two backends, or two saved models, part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cnnkit.cli.architectures import Import, built, imported, is_onnx, load_saved
from cnnkit.cli.predicting import matching
from cnnkit.storage.printing import printable

__all__ = ["compare", "model_and_images"]


def compare(
    first: Annotated[str, typer.Argument(help="A backend or kernel table; a saved model's file; or a run "
                                              "that --save wrote.")],
    second: Annotated[str, typer.Argument(help="Another backend; or another saved model of the same "
                                               "layers.")],
    model: Annotated[str, typer.Argument(help="What runs on both: a saved model's file, or a name of "
                                              "cnnkit.models; left out between two saved models.")],
    data: Annotated[str | None, typer.Argument(help="digits, mnist, fashion-mnist, a folder of class "
                                               "folders, or an .npz file.", show_default=False)] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of training.")] = 3,
    batch_size: Annotated[int, typer.Option(min=1, help="Images a step.")] = 32,
    optimizer: Annotated[str, typer.Option(help="As that of `cnnkit train`.")] = "sgd",
    lr: Annotated[float, typer.Option(help="Learning rate.")] = 0.01,
    ulps: Annotated[float | None, typer.Option(min=0.0, help="How many units in the last place are no "
                                               "difference; 0 finds the first bit.",
                                               show_default="what rounding may make")] = None,
    dtype: Annotated[str | None, typer.Option(help="Convert the model first: float16, bfloat16, float64.",
                                              show_default="the model's")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Order of the data, random draws.")] = 0,
    save: Annotated[Path | None, typer.Option(
        metavar="RUN", show_default=False, help="Keep the run of one backend in a safetensors file, for "
        "another version to be compared with: compare BACKEND MODEL DATA --save RUN here, then compare RUN "
        "BACKEND MODEL there.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    import_: Import = None,
) -> None:
    """Train on two backends in lock-step, and show the first number where they part, and why.

    Exit with status 1 where they do.
    """
    import cnnkit

    settings: dict[str, Any] = {"steps": steps, "batch_size": batch_size, "optimizer": optimizer, "lr": lr,
                                "ulps": ulps, "dtype": dtype, "seed": seed}
    if save is not None:
        if data is not None or ulps is not None:
            raise ValueError("--save takes one backend, a model and data, and no --ulps: "
                             "cnnkit compare BACKEND MODEL DATA --save RUN")
        network, images = model_and_images(second, model, import_, seed)
        del settings["ulps"]
        print(f"Run saved to {cnnkit.comparing.save_run(save, first, network, images, **settings)}")
        return
    if data is None and (run := _run_of(first)) is not None:
        network = _model_of_run(model, first, run, import_)
        result = cnnkit.comparing.compare_with_run(first, second, network, ulps=ulps)
    elif data is None:
        networks = [model_and_images(name, model, import_, seed) for name in (first, second)]
        result = cnnkit.compare(networks[0][0], networks[1][0], data=networks[0][1], **settings)
    else:
        network, images = model_and_images(model, data, import_, seed)
        result = cnnkit.compare(first, second, network, images, **settings)
    print(json.dumps(result.as_dict(), indent=2) if as_json else printable(str(result), keep="\n"))
    if not result.agree:
        raise typer.Exit(1)


def _run_of(name: str) -> dict[str, Any] | None:
    """What a file says of the run in it; ``None`` for a model's file and for a backend."""
    from cnnkit.comparing.recording import run_facts

    return run_facts(name) if Path(name).is_file() and name.endswith(".safetensors") else None


def _model_of_run(model: str, path: str, run: dict[str, Any], spec: str | None) -> Any:
    """A saved model, or a fresh one by name for the images of a run."""
    from cnnkit import safetensors

    if spec is not None:
        imported(spec)
    if Path(model).exists() or Path(f"{model}.safetensors").exists() or is_onnx(model):
        return load_saved(Path(model)).model.float()
    shape = safetensors.load_file(path)["1/x"].shape[1:]
    return built(model, shape, run["outputs"], {})


def model_and_images(model: str, data: str, spec: str | None, seed: int = 0) -> tuple[Any, Any]:
    """A saved model and the data as it takes them; or a fresh model by name, made for the data."""
    from cnnkit import data as datasets
    from cnnkit import models, random

    if spec is not None:
        imported(spec)
    path = Path(model)
    if path.exists() or Path(f"{model}.safetensors").exists() or is_onnx(model):
        saved = load_saved(path)
        saved.model.float()  # as the images are; a file may hold 16 bits
        return saved.model, matching(data, saved, path, False, True).images
    names = [row.name for row in models.list()]
    if model not in names and ":" not in model:
        raise ValueError(f"{model} is neither a saved model's file nor one of {', '.join(names)}")
    images, _ = datasets.load(data, on_error="skip")
    random.seed(seed)
    return built(model, images.image_shape, len(images.classes or []), {}), images
