"""The command `cnnkit` begins quietly about Ctrl-C, which `tests/cli/test_ending.py` presses."""

import signal
import subprocess
import sys
import tomllib
from pathlib import Path

from cnnkit import __main__

PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def test_the_installed_command_begins_here():
    assert tomllib.loads(PROJECT.read_text())["project"]["scripts"] == {"cnnkit": "cnnkit.__main__:main"}
    assert callable(__main__.main)


def test_a_background_job_does_not_listen_to_ctrl_c():
    code = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.argv = ["cnnkit", "--version"]
from cnnkit import __main__
try:
    __main__.main()
finally:
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
