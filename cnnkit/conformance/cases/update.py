"""Cases of optimizers' updates."""

from __future__ import annotations

from cnnkit.conformance.kinds.update import UpdateCase

__all__ = ["CASES"]

SGD = {"lr": 0.1, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False,
       "maximize": False}
ADAM = {"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False,
        "decoupled": False, "maximize": False}

CASES = (
    *(UpdateCase("sgd", name, {**SGD, **changes}) for name, changes in (
        ("plain", {}), ("momentum", {"momentum": 0.9}), ("nesterov", {"momentum": 0.9, "nesterov": True}),
        ("dampening", {"momentum": 0.8, "dampening": 0.5}), ("weight-decay", {"weight_decay": 0.1}),
        ("everything", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01, "maximize": True}))),
    *(UpdateCase("adam", name, {**ADAM, **changes}) for name, changes in (
        ("plain", {}), ("betas-eps", {"betas": (0.5, 0.9), "eps": 1e-3}),
        ("weight-decay", {"weight_decay": 0.1}),
        ("decoupled-weight-decay", {"weight_decay": 0.1, "decoupled": True}),
        ("amsgrad", {"amsgrad": True, "betas": (0.5, 0.5)}), ("maximize", {"maximize": True}))),
    # kernels may decline parameters that are single numbers
    *(UpdateCase("adam", f"no-scalars-{name}", {**ADAM, **changes},
                 shapes=((4, 3), (6,), (0, 2), (2, 1, 3, 3)))
      for name, changes in (("plain", {}), ("amsgrad", {"amsgrad": True, "betas": (0.5, 0.5)}),
                            ("everything", {"weight_decay": 0.1, "decoupled": True, "eps": 1e-3,
                                            "maximize": True}))),
)
