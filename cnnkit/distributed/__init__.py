"""Several processes that train one model, in PyTorch's words: ranks, collectives, and sums in a fixed order.

Start a script with ``mpiexec -n 4 python train.py`` or ``srun``; `train.fit` finds the other processes.
"""

from cnnkit.distributed.collectives import (
    ReduceOp,
    all_gather,
    all_gather_into_tensor,
    all_reduce,
    broadcast,
    reduce,
)
from cnnkit.distributed.communicator import Alone, Channel, Communicator, Growing, Overlapping
from cnnkit.distributed.errors import GrowthError, RankError, RankLost, RankTimeout
from cnnkit.distributed.group import (
    barrier,
    communicator,
    destroy_process_group,
    get_rank,
    get_world_size,
    grow_to,
    init,
    init_process_group,
    is_available,
    is_initialized,
    rank,
    use,
    wanted_size,
    world_size,
)
from cnnkit.distributed.linked import Linked, Links, Watching
from cnnkit.distributed.mpi import started_by_mpi
from cnnkit.distributed.strategy import MPI, MPIWithLinks, OneProcess, Strategy

__all__ = ["MPI", "Alone", "Channel", "Communicator", "Growing", "GrowthError", "Linked", "Links",
           "MPIWithLinks", "OneProcess", "Overlapping", "RankError", "RankLost", "RankTimeout", "ReduceOp",
           "Strategy", "Watching", "all_gather", "all_gather_into_tensor", "all_reduce",
           "barrier", "broadcast", "communicator", "destroy_process_group", "get_rank", "get_world_size",
           "grow_to", "init", "init_process_group", "is_available", "is_initialized", "rank", "reduce",
           "started_by_mpi", "use", "wanted_size", "world_size"]
