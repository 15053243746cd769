"""An engine of one's own in one file: `SocketStrategy` connects processes by plain TCP, without MPI.

``python examples/cluster/socket_strategy.py 2`` starts two processes on this machine, which train as one:
the SHA-256 of the weights that each prints is that of one process (``... socket_strategy.py 1``).

`train.fit` needs of an engine what `cnnkit.distributed.Communicator` says, and a `connect` that makes one.
Every wait here has an end; a connection that breaks is a lost rank, and this engine cannot go on without it.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn, TypeVar

import numpy as np

from cnnkit import nn, random, train
from cnnkit.data import datasets
from cnnkit.distributed import Alone, Communicator, RankLost, RankTimeout, rank

T = TypeVar("T")


class SocketStrategy:
    """Connects the processes that ``RANKS`` in the environment lists; this one is number ``RANK``."""

    def connect(self, timeout: float) -> Communicator:
        addresses = [(host, int(port)) for host, port in json.loads(os.environ.get("RANKS", "[]"))]
        if len(addresses) < 2:
            return Alone()
        return SocketCommunicator(int(os.environ["RANK"]), addresses, timeout)


class SocketCommunicator:
    """A connection to each other process."""

    def __init__(self, rank: int, addresses: Sequence[tuple[str, int]], timeout: float):
        self.rank, self.size, self.timeout = rank, len(addresses), timeout
        self._peers: dict[int, socket.socket] = {}
        self._limited(lambda: self._meet(addresses))

    def _meet(self, addresses: Sequence[tuple[str, int]]) -> None:
        """Call those before this one, and wait for the calls of those after it."""
        with socket.create_server(addresses[self.rank]) as server:
            server.settimeout(self.timeout)
            for other in range(self.rank):
                self._peers[other] = self._call(addresses[other])
                self._peers[other].sendall(bytes([self.rank]))
            for _ in range(self.rank + 1, self.size):
                peer, _ = server.accept()
                peer.settimeout(self.timeout)
                self._peers[peer.recv(1)[0]] = peer

    def _call(self, address: tuple[str, int]) -> socket.socket:
        end = time.monotonic() + self.timeout
        while True:
            try:
                peer = socket.create_connection(address, self.timeout)
            except ConnectionRefusedError:  # it has not begun to listen
                if time.monotonic() > end:
                    raise TimeoutError from None
                time.sleep(0.02)
            else:
                return peer

    def _swap(self, contents: Sequence[bytes]) -> list[bytes]:
        """Send content i to rank i, and return what each has sent."""
        received = [b""] * self.size
        received[self.rank] = contents[self.rank]
        for other in sorted(self._peers):  # all pairs in one order, so that nobody waits in a circle
            peer = self._peers[other]
            if self.rank < other:
                self._limited(lambda peer=peer, other=other: _send(peer, contents[other]))
            received[other] = self._limited(lambda peer=peer: _receive(peer))
            if self.rank > other:
                self._limited(lambda peer=peer, other=other: _send(peer, contents[other]))
        return received

    def _limited(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except TimeoutError:
            raise RankTimeout(f"rank {self.rank} of {self.size} has waited {self.timeout:.0f} s for the "
                              "others") from None
        except (OSError, EOFError) as error:
            raise RankLost(f"rank {self.rank} of {self.size} has lost another rank ({error})") from error

    # -- what `Communicator` asks for ------------------------------------------------------------------------

    def allgather(self, values: np.ndarray) -> np.ndarray:
        return np.stack(self._all(values))

    def exchange(self, parts: Sequence[np.ndarray], sizes: Sequence[int]) -> list[np.ndarray]:
        received = self._swap([part.tobytes() for part in parts])
        return [np.frombuffer(data, parts[0].dtype).copy() for data in received]

    def gather_parts(self, part: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
        return np.concatenate(self._all(part))

    def _all(self, values: np.ndarray) -> list[np.ndarray]:
        received = self._swap([values.tobytes()] * self.size)
        return [np.frombuffer(data, values.dtype) for data in received]

    def broadcast(self, data: bytes | None, source: int = 0) -> bytes:
        return self._swap([data or b""] * self.size)[source]

    def barrier(self) -> None:
        self._swap([b""] * self.size)

    def leave(self) -> None:
        for peer in self._peers.values():
            with suppress(OSError):  # the other one may have gone before
                peer.shutdown(socket.SHUT_RDWR)
            peer.close()

    def recover(self) -> NoReturn:
        self.leave()
        raise RankLost("this engine cannot go on without a rank; start all again with resume=True")


def _send(peer: socket.socket, content: bytes) -> None:
    peer.sendall(len(content).to_bytes(8, "little") + content)


def _receive(peer: socket.socket) -> bytes:
    return _exactly(peer, int.from_bytes(_exactly(peer, 8), "little"))


def _exactly(peer: socket.socket, count: int) -> bytes:
    content = bytearray()
    while len(content) < count:
        more = peer.recv(min(count - len(content), 1 << 20))
        if not more:
            raise EOFError("the connection was closed")
        content += more
    return bytes(content)


def learn() -> None:
    """What every process runs: an ordinary script."""
    random.seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2),
                          nn.Linear(288, 10))
    digits, held_out = datasets.digits(train=True), datasets.digits(train=False)
    history = train.fit(model, (digits.data[:300], digits.targets[:300]), epochs=2, seed=0, progress=False,
                        validation=(held_out.data, held_out.targets), shards=8, strategy=SocketStrategy())
    weights = b"".join(value.numpy().tobytes() for value in model.state_dict().values())
    # the whole line at once, since other ranks print too
    sys.stdout.write(f"rank {rank()}: held-out accuracy {history[-1].val_accuracy:.3f}, "
                     f"weights {hashlib.sha256(weights).hexdigest()[:16]}\n")
    sys.stdout.flush()


def start(count: int) -> int:
    """Start so many processes of this script; the first status that is not 0."""
    free = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = json.dumps([server.getsockname() for server in free])
    for server in free:
        server.close()
    processes = [subprocess.Popen([sys.executable, __file__],
                                  env={**os.environ, "RANKS": addresses, "RANK": str(number)})
                 for number in range(count)]
    return max(abs(process.wait()) for process in processes)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(start(int(sys.argv[1])))
    learn()
