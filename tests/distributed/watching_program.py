"""Rank 1 dies or leaves; the others look for it without waiting, and print how they learnt it."""

from __future__ import annotations

import json
import os
import sys
import time

from cnnkit import distributed
from cnnkit.distributed import RankLost

if __name__ == "__main__":
    how = json.loads(sys.argv[1])["how"]
    distributed.init()
    communicator = distributed.communicator()
    communicator.check()
    communicator.barrier()
    if communicator.rank == 1:
        if how == "kill":
            os.kill(os.getpid(), 9)
        communicator.leave()
        time.sleep(1)
        os._exit(0)
    end = time.monotonic() + 30
    try:
        while time.monotonic() < end:
            communicator.check()
            time.sleep(0.02)
    except RankLost as error:
        print(json.dumps({"rank": communicator.rank, "heard": str(error)}), flush=True)
    os._exit(0)
