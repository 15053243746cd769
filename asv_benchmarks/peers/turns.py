"""The contenders take turns at a case, so that what disturbs the machine disturbs all of them alike."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

__all__ = ["DISTURBED", "Contender", "Turns", "take_turns"]

DISTURBED = 0.06  # a turn in which others used more of a processor than this is disturbed
FOLDER = Path(__file__).resolve().parent.parent


class Contender:
    """A process that does steps of one library when asked."""

    def __init__(self, name: str, threads: int, python: str = sys.executable):
        self.name = Path(name).name.replace(".py", "")
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
        for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "CNNKIT_NUM_THREADS"):
            environment[variable] = str(threads)
        # Unbound threads may share one core of a virtual machine, and each barrier then costs a time slice.
        environment = {"OMP_PROC_BIND": "true", "OMP_PLACES": "cores", **environment}
        path = filter(None, [str(FOLDER), os.environ.get("PYTHONPATH")])
        self.process = subprocess.Popen(
            [python, "-m", "peers", "--contender", name], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env={**environment, "PYTHONPATH": os.pathsep.join(path)})

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request; the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        return json.loads(answer) if answer else {"ok": False, "error": "the process ended"}

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


@dataclass
class Turns:
    """One contender's turns at a case, one a round: seconds of a step, and the share of a processor that
    others used meanwhile.
    """

    seconds: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)

    @property
    def disturbed(self) -> int:
        """How many turns were disturbed, however often they were taken again."""
        return sum(share >= DISTURBED for share in self.others)

    def ratio(self, base: Turns) -> float:
        """How many times as fast as another contender this one is: the median over the rounds."""
        return median(theirs / ours for theirs, ours in zip(base.seconds, self.seconds))


def take_turns(contenders: Sequence[Contender], case: Mapping[str, Any], rounds: int, retries: int,
               seconds: float, clock: str = "wall") -> tuple[dict[str, Turns], dict[str, str]]:
    """Measure a case; a disturbed turn is taken again, so many times at most, and the quietest one counts.

    Returns
    -------
    turns : dict of str to Turns
        By contender; those that do not support the case, or fail, are left out.
    errors : dict of str to str
        What those that failed said.
    """
    turns: dict[str, Turns] = {}
    errors: dict[str, str] = {}

    def fails(contender: Contender, answer: Mapping[str, Any]) -> bool:
        if not answer["ok"]:
            turns.pop(contender.name, None)
            errors.update({contender.name: answer["error"]} if "error" in answer else {})
        return not answer["ok"]

    for contender in contenders:
        if not fails(contender, contender.ask(do="set up", case=case, seconds=seconds, clock=clock)):
            turns[contender.name] = Turns()
    for _ in range(rounds):
        for contender in contenders:
            if contender.name not in turns:
                continue
            tries: list[dict[str, Any]] = []
            while len(tries) <= retries and not (tries and tries[-1]["others"] < DISTURBED):
                answer = contender.ask(do="turn")
                if fails(contender, answer):
                    break
                tries.append(answer)
            else:
                best = min(tries, key=lambda answer: answer["others"])
                turns[contender.name].seconds.append(best["seconds"])
                turns[contender.name].others.append(best["others"])
    return turns, errors
