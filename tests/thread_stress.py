"""Eight threads use everything for the first time at once, with thread switches put in; bits must not change.

    python tests/thread_stress.py cpu --seed 3 --rounds 5

Each thread builds and trains networks of its own from its own seed, and asks one network that all share. Then
the main thread does the same work alone, and every number must be equal to the bit. Switches are put in at
lines that a hash of seed, thread, file, line and visit picks, so a seed picks the same lines again; between
them Python switches as often as it can.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
import zlib

THREADS = 8
WATCHED = ("/cnnkit/backends/", "/cnnkit/random/", "/cnnkit/autograd/", "/cnnkit/nn/", "/cnnkit/optim/",
           "/cnnkit/ops/", "/cnnkit_cpu/", "/cnnkit_numpy/", "/cnnkit_emulator/")


def switching(seed, number, every):
    """A trace function that lets the other threads run at about one line in `every`."""
    visits = [seed * THREADS + number]

    def trace(frame, event, arg):
        name = frame.f_code.co_filename
        if event == "call" and not any(part in name for part in WATCHED):
            return None
        if event == "line":
            visits[0] += 1
            if zlib.crc32(b"%d %d" % (visits[0], frame.f_lineno)) % every == 0:
                time.sleep(0)
        return trace
    return trace


def train(backend, number, rounds):
    """The bytes of all losses, parameters and scores of a small network that is trained a few steps."""
    import numpy as np

    import cnnkit
    from cnnkit import backends, nn, optim, random
    from cnnkit import functional as F
    from cnnkit.data import ArrayDataset, DataLoader

    images = np.random.default_rng(number).standard_normal((6, 2, 6, 6)).astype(np.float32)
    labels = np.arange(6) % 3
    results = []
    for n in range(rounds):
        level = "strict" if (number + n) % 2 else "fast"
        with cnnkit.use(backend), cnnkit.precision(level), random.seeded(100 * n + number):
            model = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
                                  nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten(), nn.Linear(36, 3))
            make = optim.Adam if n % 2 else optim.SGD
            optimizer = make(model.parameters(), lr=0.01, **({} if n % 2 else {"momentum": 0.9}))
            loader = DataLoader(ArrayDataset(images, labels), batch_size=3, shuffle=True, seed=number,
                                num_workers=number % 2)
            for x, y in loader:
                optimizer.zero_grad()
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
                results.append(loss.numpy().tobytes())
            assert backends.precision_level() == level
            results += [p.numpy().tobytes() for p in model.state_dict().values()]
        if backends.get_num_threads() > 0 and number == 0:
            backends.set_num_threads(1 + n % 3)
            backends.release_memory()
        if number == 1:
            backends.register_table(backends.KernelTable("stress", "numpy", lambda: {}))
            backends.register_table(remove="stress")
    return results


def shared(backend):
    """A network that all threads ask, and what it must answer."""
    import numpy as np

    import cnnkit
    from cnnkit import nn, random

    with cnnkit.use(backend), random.seeded(1):
        model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
                              nn.Linear(288, 2))
        model.eval()
        x = cnnkit.tensor(np.random.default_rng(1).standard_normal((4, 1, 8, 8)).astype(np.float32))
    return lambda: ask(model, x)


def ask(model, x):
    from cnnkit import no_grad

    with no_grad():
        return model(x).numpy().tobytes()


def main(arguments=None):
    """Run the threads, then one; exit 1 where they differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backend", nargs="?", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--asks", type=int, default=5, help="how often each thread asks the shared network")
    parser.add_argument("--every", type=int, default=31, help="a switch at one line in so many")
    options = parser.parse_args(arguments)
    start, found, errors = threading.Barrier(THREADS), {}, []

    def work(number):
        try:
            start.wait()
            sys.settrace(switching(options.seed, number, options.every))
            found[number] = train(options.backend, number, options.rounds)
            found[number, "shared"] = [answer() for _ in range(options.asks)]
        except BaseException as error:
            errors.append(f"thread {number}: {type(error).__name__}: {error}")
            raise
        finally:
            sys.settrace(None)

    answers = []
    made = threading.Lock()

    def answer():
        with made:
            if not answers:
                answers.append(shared(options.backend))
        return answers[0]()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    sys.setswitchinterval(interval)
    errors += [f"thread {n} waits for ever" for n, thread in enumerate(threads) if thread.is_alive()]
    if not errors:
        from cnnkit.backends.state import default

        if (default.backend, default.device, default.tables, default.precision) != (None, None, None, "fast"):
            errors.append("a block has changed what holds for the process")
        for number in range(THREADS):
            if found[number] != train(options.backend, number, options.rounds):
                errors.append(f"thread {number} has other numbers than one thread alone")
            if set(found[number, "shared"]) != {answer()}:
                errors.append(f"thread {number} got other answers of the shared network")
    print("\n".join(errors) or f"{THREADS} threads: equal to the bit")
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main())
