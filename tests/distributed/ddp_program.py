"""PyTorch's words on several ranks: a training loop with DistributedDataParallel, and the collectives."""

from __future__ import annotations

import hashlib
import json
import sys

import numpy as np

import cnnkit
from cnnkit import distributed as dist
from cnnkit import functional as F
from cnnkit import nn, optim
from cnnkit.data import DataLoader, DistributedSampler, datasets


def collectives() -> dict:
    rank, size = dist.get_rank(), dist.get_world_size()
    x = cnnkit.tensor([1.0 + rank, 10.0 * rank])
    added, most, mean = x.clone(), x.clone(), x.clone()
    dist.all_reduce(added)
    dist.all_reduce(most, op=dist.ReduceOp.MAX)
    dist.all_reduce(mean, op=dist.ReduceOp.AVG)
    given = x.clone()
    dist.broadcast(given, src=size - 1)
    parts = [cnnkit.zeros(2) for _ in range(size)]
    dist.all_gather(parts, x)
    dist.barrier()
    return {"added": added.tolist(), "most": most.tolist(), "mean": mean.tolist(), "given": given.tolist(),
            "parts": [part.tolist() for part in parts]}


def train(settings: dict) -> dict:
    cnnkit.manual_seed(dist.get_rank())  # rank 0's weights are given to all
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8) if settings.get("norm") else nn.Identity(),
                        nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
    if settings.get("sync"):
        net = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    model = nn.parallel.DistributedDataParallel(net, bucket_cap_mb=settings.get("bucket"))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    digits = datasets.digits(train=True)
    sampler = DistributedSampler(digits, shuffle=True, seed=3)
    batch_size = settings.get("batch", 64) // dist.get_world_size()
    loader = DataLoader(digits, batch_size=batch_size, sampler=sampler)
    losses = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        for n, (x, y) in enumerate(loader):
            if n == 6:
                break
            if settings.get("no_sync") and n % 2 == 0:
                with model.no_sync():
                    F.cross_entropy(model(x), y).backward()
                continue
            decay = 0  # made before the output, so its gradients come after those of the model
            if settings.get("decay"):
                decay = sum((p * p).sum() for p in net.parameters()) * 0.01
            loss = F.cross_entropy(model(x), y) + decay
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
    weights = {name: value.numpy() for name, value in net.state_dict().items()}
    digest = hashlib.sha256(b"".join(weights[name].tobytes() for name in sorted(weights))).hexdigest()
    return {"weights": digest, "some": np.concatenate([w.ravel()[:4] for w in weights.values()]).tolist(),
            "loss": losses[-1]}


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    dist.init_process_group("mpi")
    print(json.dumps({"rank": dist.get_rank(), **collectives(), **train(given)}), flush=True)
    dist.destroy_process_group()
