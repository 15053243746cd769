"""``python -m cnnkit_cupy.static.times``: how long training steps should take on GPUs that are not here.

Which kernels a step launches is known from `cnnkit_cupy.paper`; what their instructions are, from the report
of docs/gpu.md; the rest is a roofline (`cnnkit_cupy.cost`), whose assumptions that page states.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cnnkit_cupy import conv_tensor, conv_tiles
from cnnkit_cupy.cost import MACS, WARP, Product
from cnnkit_cupy.gpus import GPUS, Gpu
from cnnkit_cupy.launcher import KERNELS
from cnnkit_cupy.paper import Noted, Paper, training_step
from cnnkit_cupy.static import page
from cnnkit_cupy.static.networks import BATCH, NETWORKS, PRECISIONS, PUBLISHED, TARGETS, Network, Precision

__all__ = ["Step", "launch_seconds", "predict", "regressions", "report", "rows"]

REACHED = 0.9   # of a peak, as good kernels do
BETWEEN = 2e-6  # seconds between two launches of a CUDA graph
LINEAR_TILE = 64
HEADINGS = ("network", "precision", "GPU", "launches", "bytes, GB", "of compulsory", "ms", "images/s",
            "the longest", "target", "PyTorch, published")
Reports = Mapping[str, Mapping[int, page.Reported]]


@dataclass(frozen=True)
class Step:
    """A predicted training step.

    Attributes
    ----------
    network, precision, gpu : str
    launches : int
    moved, compulsory : int
        Bytes between memory and chip: of every launch's arrays; and of images, parameters, gradients, the
        momentum, and every convolution's and dense layer's input and output once each way.
    seconds : float
    by_kernel : Counter
        Seconds of each instance.
    """

    network: str
    precision: str
    gpu: str
    launches: int
    moved: int
    compulsory: int
    seconds: float
    by_kernel: Counter

    @property
    def images(self) -> float:
        """Images a second."""
        return BATCH / self.seconds

    @property
    def key(self) -> tuple[str, str, str]:
        return self.network, self.precision, self.gpu


def product_of(noted: Noted, reported: page.Reported | None) -> Product | None:
    """The product that a launch computes; ``None`` where moving its arrays is all."""
    base, _, rest = noted.name.partition("<")
    arguments = rest.rstrip(">").split(", ")
    values, size = noted.values, 4 if arguments[0] == "float" else 2
    depth: float
    if base in ("conv2d", "conv2d_weight_gradient", "conv2d_tensor", "conv2d_tensor_weight_gradient"):
        tensor = "tensor" in base
        three = arguments[1].endswith("3")
        name = arguments[1].removesuffix("3")
        tilings: Mapping = ({**conv_tiles.TILINGS, **conv_tiles.WEIGHT_TILINGS} if not tensor
                            else {**conv_tensor.TILINGS, **conv_tensor.WEIGHT_TILINGS[4]})
        tile = tilings[name]
        depth = values["slice_pixels"] if "weight" in base else values["depth"]
        macs = tile.rows * tile.columns * depth * (3 if three else 1)
        read = (tile.rows + tile.columns) * depth * size
        kind = ("tf32" if size == 4 else "16 bits") if tensor else "float32"
    elif base.startswith(("direct_", "depthwise_")) or base == "conv2d_relu_max_pool2d":
        macs = (values["N"] * values["P"] * values["Q"] * values["K"] * values["C"] // values["groups"]
                * values["R"] * values["S"] / noted.blocks)
        read, kind = noted.read / noted.blocks, "float32"
    elif base in ("linear_forward", "linear_backward"):
        both = 2 if base == "linear_backward" else 1
        depth = both * values["rows"] * values["inputs"] * values["outputs"] / LINEAR_TILE**2 / noted.blocks
        macs, read, kind = LINEAR_TILE**2 * depth, 2 * LINEAR_TILE * depth * size, "float32"
    else:
        return None
    kernel = KERNELS[noted.name]
    if reported is None or not (reported.per_product if kind != "float32" else reported.multiply_adds):
        raise ValueError(f"the page's report does not say what the main loop of {noted.name} has: "
                         "bring it up to date by tox -e cuda-static")
    if kind == "float32":
        instructions = macs / WARP / (reported.multiply_adds or 1)
    else:
        instructions = macs / MACS[kind] * (reported.per_product or 1)
    threads = kernel.block[0]
    return Product(noted.blocks, reported.blocks, threads, macs, kind, instructions, read)


def launch_seconds(noted: Noted, gpu: Gpu, reported: page.Reported | None) -> float:
    """How long a launch should take."""
    moving = noted.moved / gpu.copy
    product = product_of(noted, reported)
    return max(moving, product.seconds(gpu) if product else 0.0) / REACHED + BETWEEN


def plan(network: Network, precision: Precision, gpu: Gpu) -> list[Noted]:
    """The launches of a training step of `BATCH` images."""
    with precision.entered():
        return [*training_step(Paper(gpu), network.make(), network.shape, BATCH, precision.autocast)]


def predict(network: Network, precision: Precision, gpu: Gpu, reports: Reports,
            notes: Iterable[Noted] | None = None) -> Step:
    """A training step of `BATCH` images, by a page's report (`cnnkit_cupy.static.page.reported`)."""
    notes = plan(network, precision, gpu) if notes is None else [*notes]
    by_kernel = Counter[str]()
    for noted in notes:
        reported = reports.get(noted.name, {}).get(gpu.arch)
        by_kernel[noted.name] += launch_seconds(noted, gpu, reported)  # type: ignore[assignment]
    return Step(network.name, precision.name, gpu.name, len(notes), sum(n.moved for n in notes),
                compulsory(notes), sum(by_kernel.values()), by_kernel)


def compulsory(notes: Iterable[Noted]) -> int:
    """Bytes that a step must move at least: what products, pools and updates read and write.

    What only turns arrays round, packs, copies, adds or normalises could be part of a product.
    """
    needed = re.compile(r"conv2d(?!_pack|_relu_gradient)|direct_|depthwise_|linear|max_pool|avg_pool"
                        r"|cross_entropy|sgd|adam")
    return sum(noted.moved for noted in notes if needed.match(noted.name))


def rows(steps: Iterable[Step]) -> Iterator[list[str]]:
    """The table's rows."""
    for step in steps:
        name, seconds = step.by_kernel.most_common(1)[0]
        target = TARGETS.get(step.key)
        low, high = PUBLISHED.get(step.key, (0, 0))
        published = "" if not high else f"{low:,.0f}" if low == high else f"{low:,.0f}-{high:,.0f}"
        verdict = ("" if target is None else
                   f"{target:,.0f}, {'missed' if step.images < target else 'met'}")
        yield [step.network, step.precision, step.gpu, f"{step.launches}", f"{step.moved / 1e9:.2f}",
               f"{step.moved / step.compulsory:.2f}", f"{1e3 * step.seconds:.2f}", f"{step.images:,.0f}",
               f"`{name}`, {seconds / step.seconds:.0%}", verdict, published]


def report(steps: Iterable[Step]) -> str:
    """The table as Markdown."""
    lines = [HEADINGS, ["---"] * len(HEADINGS), *rows(steps)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def regressions(committed: str, steps: Iterable[Step]) -> list[str]:
    """Which steps have become slower than a page's table says, by more than two in a hundred."""
    before = {}
    for line in committed.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == len(HEADINGS) and cells[7].replace(",", "").isdecimal():
            before[tuple(cells[:3])] = float(cells[7].replace(",", ""))
    worse = []
    for step in steps:
        label = f"{step.network} in {step.precision} on {step.gpu}"
        if (was := before.get(step.key)) is None:
            worse.append(f"{label} is not in the page's table: --write brings it up to date")
        elif step.images < 0.98 * was:
            worse.append(f"{label} would train at {step.images:,.0f} images/s, and the page says {was:,.0f}")
    return worse


def every_step(reports: Reports, networks: Iterable[str] = (), gpus: Iterable[str] = ()) -> Iterator[Step]:
    """Each network in each precision on each GPU; GPUs that launch the same are planned once."""
    for name in networks or NETWORKS:
        for precision in PRECISIONS.values():
            planned: dict[tuple[int, int], list[Noted]] = {}
            for gpu in (GPUS[g] for g in gpus or GPUS):
                like = gpu.arch, gpu.multiprocessors  # which decide what is launched
                if like not in planned:
                    planned[like] = plan(NETWORKS[name], precision, gpu)
                yield predict(NETWORKS[name], precision, gpu, reports, planned[like])


def main(
    docs: Annotated[Path, typer.Argument(help="The page with the compiler's report.")] = Path("docs/gpu.md"),
    networks: Annotated[str, typer.Option(help="Only these, for example W1,ResNet-50.")] = "",
    gpus: Annotated[str, typer.Option(help="Only these, for example A100.")] = "",
    kernels: Annotated[int, typer.Option(help="So many kernels that take longest, of each step.")] = 0,
    write: Annotated[bool, typer.Option("--write", help="Put the table on the page.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Fail where a step has become slower.")] = False,
) -> None:
    """Predict training steps on GPUs that are not here, from the counts of docs/gpu.md."""
    chosen, places = (list(filter(None, text.split(","))) for text in (networks, gpus))
    for name, known in [(n, NETWORKS) for n in chosen] + [(g, GPUS) for g in places]:
        if name not in known:
            raise typer.BadParameter(f"there is no {name}; there are {', '.join(known)}")
    if write and (chosen or places):
        raise typer.BadParameter("--write needs every network and GPU: leave --networks and --gpus out")
    text = docs.read_text(encoding="utf-8")
    try:
        steps = [*every_step(page.reported(page.section(text, "report")), chosen, places)]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    table = Table(*HEADINGS, title=f"training steps of {BATCH} images, predicted")
    for cells in rows(steps):
        table.add_row(*cells)
    console = Console()
    (console if console.is_terminal else Console(width=200)).print(table)
    for step in steps if kernels else ():
        console.print(f"{step.network}, {step.precision}, {step.gpu}:", highlight=False)
        for name, seconds in step.by_kernel.most_common(kernels):
            console.print(f"  {1e3 * seconds:9.3f} ms  {name}", highlight=False, markup=False)
    worse = regressions(page.section(text, "times"), steps) if check else []
    for line in worse:
        console.print(line, style="red", markup=False, highlight=False)
    if worse:
        raise typer.Exit(1)
    if write:
        docs.write_text(page.replaced(text, "times", report(steps)), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
