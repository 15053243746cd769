"""Random numbers that are the same on every array library: counter-based, drawn from explicit keys.

The Array API has no random numbers. Threefry-2x32-20 needs only 32-bit addition, shifts and xor, so it gives
the same bits wherever it runs. A draw depends on two things only: the *key* selects the stream, and
the position in the array selects the number in it. `bits`, `uniform` and `bernoulli` run on the backend and
are exact. `normal`, `uniform_between`, `permutation` and `randint` are drawn by NumPy and moved, because the
float32 ``log`` of one library differs from another's.

The generator behind `next_key` starts from seed 0, so that a program which never calls `seed`
repeats its draws.

References
----------
Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from cnnkit.random.cipher import Key, threefry
from cnnkit.random.draws import bernoulli, bits, uniform
from cnnkit.random.host import normal, permutation, randint, uniform_between
from cnnkit.random.keys import (
    Generator,
    fold_in,
    get_state,
    initial_seed,
    key,
    manual_seed,
    next_key,
    seed,
    seeded,
    set_state,
    split,
    stream,
)
from cnnkit.random.weights import orthogonal, truncated_normal

# PyTorch's names of them
get_rng_state, set_rng_state = get_state, set_state

__all__ = ["Generator", "Key", "bernoulli", "bits", "fold_in", "get_rng_state", "get_state", "initial_seed",
           "key", "manual_seed", "next_key", "normal", "orthogonal", "permutation", "randint", "seed",
           "seeded", "set_rng_state", "set_state", "split", "stream", "threefry", "truncated_normal",
           "uniform", "uniform_between"]
