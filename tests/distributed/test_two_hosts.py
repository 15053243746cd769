"""Two hosts on one machine: network namespaces with a link that is slow, or is cut for a while.

Root only, on Linux with iproute2; MPI's daemons start in a namespace each, as over ssh.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from mpi_runs import PROGRAM, alone, mpiexec, results

ADDRESSES = "10.77.0.1", "10.77.0.2"
pytestmark = [pytest.mark.heavy, pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or None in map(shutil.which, ("ip", "tc", "unshare")),
    reason="network namespaces need root and iproute2")]


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Hosts:
    """Two namespaces, a link between them, and how MPI is started there."""

    def __init__(self, folder):
        self.folder, mark = folder, os.getpid()
        self.names, self.links = (f"cnn{mark}a", f"cnn{mark}b"), (f"v{mark}a", f"v{mark}b")

    def __enter__(self):
        try:
            for name in self.names:
                ip("netns", "add", name)
            ip("link", "add", self.links[0], "type", "veth", "peer", "name", self.links[1])
            for name, link, address in zip(self.names, self.links, ADDRESSES):
                ip("link", "set", link, "netns", name)
                ip("-n", name, "addr", "add", f"{address}/24", "dev", link)
                ip("-n", name, "link", "set", link, "up")
                ip("-n", name, "link", "set", "lo", "up")
        except subprocess.CalledProcessError as error:
            self.__exit__()
            pytest.skip(f"no network namespaces here: {error.stderr}")
        return self

    def __exit__(self, *exc):
        for name in self.names:  # MPI's daemons wait for each other where the link is cut
            inside = subprocess.run(["ip", "netns", "pids", name], check=False, capture_output=True)
            for pid in map(int, inside.stdout.split()):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    def slow(self, *kind):
        for name, link in zip(self.names, self.links):
            done = subprocess.run(["ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", link, "root",
                                   *kind], check=False, capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"this kernel has no {kind[0]}: {done.stderr}")

    def cut(self, seconds):
        ip("-n", self.names[0], "link", "set", self.links[0], "down")
        time.sleep(seconds)
        ip("-n", self.names[0], "link", "set", self.links[0], "up")

    def start(self, settings):
        agent, hosts = self.folder / "agent", self.folder / "hosts"
        agent.write_text(f'#!/bin/sh\nshift\nexec ip netns exec {self.names[1]} '
                         'unshare --uts sh -c "hostname hostb; $*"\n')
        agent.chmod(0o755)
        hosts.write_text("".join(f"{address} slots=2\n" for address in ADDRESSES))
        command = [mpiexec(), "--with-ft", "ulfm", "--prtemca", "plm_ssh_agent", str(agent), "--hostfile",
                   str(hosts), "--map-by", "node", "-x", "PYTHONPATH", "-n", "2", sys.executable,
                   str(PROGRAM), json.dumps({**settings, "pids": str(self.folder)})]
        root = {f"{name}_ALLOW_RUN_AS_ROOT{end}": "1" for name in ("OMPI", "PRTE")
                for end in ("", "_CONFIRM")}
        return subprocess.Popen(
            ["ip", "netns", "exec", self.names[0], "unshare", "--uts", "sh", "-c",
             'hostname hosta; exec "$@"', "sh", *command],
            env={"PYTHONPATH": "", **os.environ, **root}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True)


def check(process, settings):
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-3000:]
    assert [result["state"] for result in results(output)] == [alone(settings)["state"]] * 2


@pytest.mark.parametrize("kind", ["tbf rate 2mbit burst 16kb latency 400ms", "netem delay 10ms 5ms"])
def test_a_slow_link_changes_no_bit(tmp_path, kind):
    settings = {"recipe": "adam", "bucket": 1000}
    with Hosts(tmp_path) as hosts:
        hosts.slow(*kind.split())
        check(hosts.start(settings), settings)


def test_a_link_that_is_cut_for_a_while_changes_no_bit(tmp_path):
    settings = {"recipe": "adam", "epochs": 60}
    with Hosts(tmp_path) as hosts:
        process = hosts.start(settings)
        end = time.monotonic() + 100
        while len(list(tmp_path.glob("pid-*"))) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(4)  # MPI has started, and updates are made
        assert process.poll() is None
        hosts.cut(3)
        check(process, settings)


def test_a_link_that_stays_cut_ends_all_ranks_in_time(tmp_path):
    with Hosts(tmp_path) as hosts:
        process = hosts.start({"recipe": "adam", "epochs": 2000, "timeout": 15})
        while len(files := list(tmp_path.glob("pid-*"))) < 2 and process.poll() is None:
            time.sleep(0.05)
        time.sleep(4)
        ip("-n", hosts.names[0], "link", "set", hosts.links[0], "down")
        end = time.monotonic() + 100
        while time.monotonic() < end and any(Path(f"/proc/{path.name[4:]}").exists() for path in files):
            time.sleep(0.2)
        assert time.monotonic() < end
    process.communicate(timeout=30)
