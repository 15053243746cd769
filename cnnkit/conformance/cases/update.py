"""Cases of optimizers' updates."""

from __future__ import annotations

from cnnkit.conformance.kinds.update import UpdateCase

__all__ = ["CASES"]

SGD = {"lr": 0.1, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False,
       "maximize": False}
ADAM = {"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False,
        "decoupled_weight_decay": False, "maximize": False}

MATRICES = ((3, 4), (6, 2), (4, 4))

SETTINGS: dict[str, tuple[dict, dict[str, dict]]] = {
    # update: its usual settings, and what is changed in each case
    "sgd": (SGD, {
        "plain": {}, "momentum": {"momentum": 0.9}, "nesterov": {"momentum": 0.9, "nesterov": True},
        "dampening": {"momentum": 0.8, "dampening": 0.5}, "weight-decay": {"weight_decay": 0.1},
        "everything": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01, "maximize": True}}),
    "adam": (ADAM, {
        "plain": {}, "betas-eps": {"betas": (0.5, 0.9), "eps": 1e-3}, "weight-decay": {"weight_decay": 0.1},
        "decoupled-weight-decay": {"weight_decay": 0.1, "decoupled_weight_decay": True},
        "amsgrad": {"amsgrad": True, "betas": (0.5, 0.5)}, "maximize": {"maximize": True}}),
    "rmsprop": ({"lr": 0.01, "alpha": 0.9, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.0,
                 "centered": False, "maximize": False}, {
        "plain": {}, "momentum": {"momentum": 0.9},
        "everything": {"momentum": 0.5, "centered": True, "weight_decay": 0.1, "eps": 1e-3,
                       "maximize": True}}),
    "adagrad": ({"lr": 0.01, "lr_decay": 0.0, "weight_decay": 0.0, "initial_accumulator_value": 0.0,
                 "eps": 1e-10, "maximize": False}, {
        "plain": {}, "everything": {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5,
                                    "maximize": True}}),
    "adadelta": ({"lr": 1.0, "rho": 0.9, "eps": 1e-6, "weight_decay": 0.0, "maximize": False}, {
        "plain": {}, "everything": {"rho": 0.5, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}}),
    "adamax": ({"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "maximize": False}, {
        "plain": {}, "everything": {"betas": (0.5, 0.7), "weight_decay": 0.1, "maximize": True}}),
    "nadam": ({"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "momentum_decay": 4e-3,
               "decoupled_weight_decay": False, "maximize": False}, {
        "plain": {}, "everything": {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True,
                                    "momentum_decay": 0.5}}),
    "radam": ({"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0,
               "decoupled_weight_decay": False, "maximize": False}, {
        "plain": {}, "few-squares": {"betas": (0.9, 0.3), "weight_decay": 0.1},
        "everything": {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}}),
    "asgd": ({"lr": 0.1, "lambd": 1e-4, "alpha": 0.75, "t0": 1e6, "weight_decay": 0.0, "maximize": False}, {
        "plain": {}, "everything": {"lambd": 0.1, "t0": 1.0, "weight_decay": 0.1, "maximize": True}}),
    "rprop": ({"lr": 0.01, "etas": (0.5, 1.2), "step_sizes": (1e-6, 50.0), "maximize": False}, {
        "plain": {}, "everything": {"etas": (0.3, 1.5), "step_sizes": (0.008, 0.012), "maximize": True}}),
    "lion": ({"lr": 0.01, "betas": (0.9, 0.99), "weight_decay": 0.0, "maximize": False}, {
        "plain": {}, "everything": {"weight_decay": 0.1, "maximize": True}}),
    "lars": ({"lr": 0.1, "momentum": 0.9, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False,
              "trust_coefficient": 0.1, "eps": 1e-8, "maximize": False}, {
        "plain": {"momentum": 0.0}, "everything": {"weight_decay": 0.1, "nesterov": True, "maximize": True}}),
    "lamb": ({"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-6, "weight_decay": 0.0, "maximize": False}, {
        "plain": {}, "everything": {"weight_decay": 0.1, "maximize": True}}),
}
MUON = {"lr": 0.02, "weight_decay": 0.1, "momentum": 0.95, "nesterov": True,
        "ns_coefficients": (3.4445, -4.775, 2.0315), "eps": 1e-7, "ns_steps": 5, "adjust_lr_fn": None}

CASES = (
    *(UpdateCase(kernel, name, {**usual, **changes}) for kernel, (usual, cases) in SETTINGS.items()
      for name, changes in cases.items()),
    *(UpdateCase("muon", name, {**MUON, **changes}, shapes=MATRICES) for name, changes in (
        ("plain", {}), ("everything", {"nesterov": False, "adjust_lr_fn": "match_rms_adamw"}))),
    # the average of squares counts from the sixth step on
    UpdateCase("radam", "rectified", {**SETTINGS["radam"][0], "weight_decay": 0.1}, steps=8),
    # kernels may decline parameters that are single numbers
    *(UpdateCase("adam", f"no-scalars-{name}", {**ADAM, **changes},
                 shapes=((4, 3), (6,), (0, 2), (2, 1, 3, 3)))
      for name, changes in (("plain", {}), ("amsgrad", {"amsgrad": True, "betas": (0.5, 0.5)}),
                            ("everything", {"weight_decay": 0.1, "decoupled_weight_decay": True, "eps": 1e-3,
                                            "maximize": True}))),
)
