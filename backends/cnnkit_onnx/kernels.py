"""The table of the ONNX backend: which operator each op is. What is not here is drawn by its generic body."""

from __future__ import annotations

from typing import Any

from cnnkit.backends import KernelTable


def _kernels() -> dict[Any, Any]:
    from cnnkit_onnx import conv, elementwise, norm, pool, reduction, resize, shaping
    from cnnkit_onnx.drawing import drawing, drawing_chain

    functions: dict[str, Any] = {
        "adaptive_avg_pool": pool.adaptive_avg_pool,
        "adaptive_max_pool": pool.adaptive_max_pool,
        "avg_pool": pool.avg_pool,
        "batch_norm": norm.batch_norm,
        "cast": shaping.cast,
        "clip": elementwise.clip,
        "concat": shaping.concat,
        "conv": conv.conv,
        "conv_input": conv.conv_input,
        "expand": shaping.expand,
        "gelu": elementwise.gelu,
        "getitem": shaping.getitem,
        "hardtanh": elementwise.hardtanh,
        "linear": conv.linear,
        "matmul": conv.matmul,
        "max_pool": pool.max_pool,
        "pad": shaping.pad,
        "pad_edges": shaping.pad_edges,
        "permute": shaping.permute,
        "resample": resize.resample,
        "reshape": shaping.reshape,
        "scatter_add": shaping.scatter_add,
        "softplus": elementwise.softplus,
        "standardize": norm.standardize,
        "take": shaping.take,
        "threshold": elementwise.threshold,
        "where": elementwise.where,
    }
    functions |= {name: elementwise.of_floats(function)
                  for name, function in (elementwise.SAME | elementwise.FORMULAS).items()}
    functions |= {name: elementwise.binary(function) for name, function in elementwise.BINARY.items()}
    functions |= {name: reduction.reducing(function) for name, function in reduction.REDUCING.items()}
    functions |= {name: reduction.searching(function) for name, function in reduction.SEARCHING.items()}
    return {**{name: drawing(name, function) for name, function in functions.items()},
            ("resample", "resample", "resample?"): drawing_chain("resample", resize.resample_several),
            ("conv_input", "add"): drawing_chain("conv_transpose", conv.conv_input_and_bias)}


table = KernelTable("onnx", "onnx", _kernels)
