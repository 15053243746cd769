"""What is timed: training steps of networks, their inference, and single convolutions and poolings."""

from __future__ import annotations

from typing import Any

from peers.styles import BATCHES

__all__ = ["GOALS", "cases", "flops"]

Case = dict[str, Any]

CONVOLUTIONS = [  # N, C, H, W, filters K, kernel k, stride s, padding p
    (128, 1, 28, 28, 8, 3, 1, 1), (128, 3, 32, 32, 8, 3, 1, 1),
    (128, 8, 16, 16, 16, 3, 1, 1), (32, 64, 32, 32, 64, 3, 1, 1),
    (32, 128, 16, 16, 128, 3, 1, 1), (8, 256, 14, 14, 256, 3, 1, 1),
    (32, 64, 32, 32, 256, 1, 1, 0), (8, 3, 224, 224, 64, 7, 2, 3)]
INFERENCE = {"lenet5": (1, 8, 64), "resnet20": (1, 8, 64), "fire": (1, 8, 64), "mobilenetv2": (1, 8, 64)}
POOLINGS = [(128, 8, 28, 28), (32, 64, 32, 32)]  # N, C, H, W
GOALS = {  # case -> how many times as fast as PyTorch with channels last cnnkit is to be
    "W1/b32": 8.0, "W1/b128": 10.0, "W1/b1024": 12.0, "W2/b32": 3.0, "W2/b128": 3.0, "W2/b1024": 4.0,
    "W3/resnet18-b64": 1.6, "W3/vgg11-b16": 1.4,
    "style/mobilenetv2-b16": 1.5, "style/separable-b32": 2.0, "style/mobilenet-b32": 2.0,
    "style/unet-b8": 1.5, "style/unet_upsample-b8": 1.5, "style/signal-b64": 1.5, "style/groupnorm-b32": 1.5,
    "style/resnet20-b64": 2.0, "style/fire-b32": 2.0, "style/leaky-b32": 2.0, "style/dilated-b32": 2.0}

GOALS |= {f"infer/{net}-b{batch}": 2.0 for net, batches in INFERENCE.items() for batch in batches}


def cases(optimizer: str = "sgd") -> dict[str, Case]:
    """Every case by its name; a contender's ``make(case)`` gets the dict.

    ``kind="train"`` comes with ``net`` (W1, W2, resnet18, vgg11, or one of `peers.styles`), ``batch`` and
    ``opt`` (sgd, adam); ``"infer"`` with ``net`` and ``batch``, in evaluation and without gradients;
    ``"conv"`` and ``"maxpool"`` with ``dir`` (fwd; dgrad, wgrad; bwd) and sizes ``N C H W K k s p``.
    """
    found: dict[str, Case] = {}
    for net in ("W1", "W2"):
        for batch in (32, 128, 1024):
            found[f"{net}/b{batch}"] = {"kind": "train", "net": net, "batch": batch, "opt": optimizer}
    for net, batch in (("resnet18", 64), ("vgg11", 16)):
        found[f"W3/{net}-b{batch}"] = {"kind": "train", "net": net, "batch": batch, "opt": optimizer}
    for net, batch in BATCHES.items():
        found[f"style/{net}-b{batch}"] = {"kind": "train", "net": net, "batch": batch, "opt": optimizer}
    for net, batches in INFERENCE.items():
        for batch in batches:
            found[f"infer/{net}-b{batch}"] = {"kind": "infer", "net": net, "batch": batch}
    for sizes in CONVOLUTIONS:
        case = dict(zip("NCHWKksp", sizes))
        name = "conv/{N}x{C}x{H}x{W}-k{k}s{s}-{K}".format_map(case)
        for direction in ("fwd", "dgrad", "wgrad"):
            if direction != "dgrad" or case["C"] > 3:  # nobody needs the gradient of the first layer's input
                found[f"{name}/{direction}"] = {"kind": "conv", "dir": direction, **case}
    for sizes in POOLINGS:
        for direction in ("fwd", "bwd"):
            found[f"maxpool2/{'x'.join(map(str, sizes))}/{direction}"] = {
                "kind": "maxpool", "dir": direction, **dict(zip("NCHW", sizes))}
    return found


def flops(case: Case) -> int:
    """Floating-point operations of a convolution: two for each product.

    >>> flops(cases()["conv/128x1x28x28-k3s1-8/fwd"])
    14450688
    """
    height, width = ((case[side] + 2 * case["p"] - case["k"]) // case["s"] + 1 for side in "HW")
    return 2 * case["N"] * case["K"] * height * width * case["C"] * case["k"] ** 2
