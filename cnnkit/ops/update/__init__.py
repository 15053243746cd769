"""Optimizer updates: functions from parameters, gradients and state to new ones.

An update is called as ``update(params, grads, state, *, workspace, **hyper) -> (new_params, new_state)``.
`params` and `grads` are lists of arrays of one backend; where a gradient is ``None`` the parameter and its
state stay as they are. `state` maps names to lists beside `params`: arrays, Python numbers, or ``None``
before the first step. Hyper-parameters are Python numbers. The generic bodies here return new arrays and
write none.

Parameters of float16 and bfloat16 have state in float32, on every backend: an average of squares of 1e-4 is 0
in float16, and so is an `eps` of 1e-8. All arithmetic is in float32, and the new parameter alone is rounded.
Generic bodies are given such parameters and gradients in float32; kernels see to it themselves, or decline.

Kernel tables may hold an update under its name, with the same signature; ``NotImplemented`` passes the call
on. `workspace` is a dict that the optimizer owns and keeps between calls: a kernel may keep scratch memory or
one flat buffer there. An interrupt may end a step anywhere, and the step is then taken again with the same
state; so a kernel leaves `state` as it is, and writes into the one before, which nobody needs any more
(`in_turn`).

Or it writes in place, where `workspace` has a list under `WRITES`. The kernel adds calls to it, and the
optimizer makes them together with its own changes, which no interrupt can part. Such a call runs no line of
Python. It may write into state that the kernel made, and into parameters that it made and that nobody else
holds; the optimizer bumps their versions in any case.
"""

from cnnkit.ops.update.core import NUMBERS, UPDATES, WRITES, Update, in_turn, state_dtype, update
from cnnkit.ops.update.descent import asgd, lars, lion, rprop, sgd
from cnnkit.ops.update.moments import adam, adamax, lamb, nadam, radam
from cnnkit.ops.update.orthogonal import muon
from cnnkit.ops.update.squares import adadelta, adagrad, rmsprop

__all__ = ["NUMBERS", "UPDATES", "WRITES", "Update", "adadelta", "adagrad", "adam", "adamax", "asgd",
           "in_turn", "lamb", "lars", "lion", "muon", "nadam", "radam", "rmsprop", "rprop", "sgd",
           "state_dtype", "update"]
