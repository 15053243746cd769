"""How much of cnnkit's public names type checkers know, by pyright: at least 95 %.

    python tests/public_types.py            # needs pyright; prints the share, and fails below it
    python tests/public_types.py --list     # and the names whose types are not known

pyright counts every name of a module without an underscore in front, the members of classes too; what other
libraries leave open (``--ignoreexternal``) does not count.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

WANTED = 0.95


def main() -> int:
    """Print the share, and the names that are missing where they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="print the names whose types are not known")
    names_wanted = parser.parse_args().list
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--ignoreexternal",
               "--verifytypes", "cnnkit", "--outputjson"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # 1 where a type is not known
    try:
        found = json.loads(done.stdout)["typeCompleteness"]
    except (ValueError, KeyError):
        raise SystemExit(f"pyright has said nothing that can be read:\n{done.stdout}{done.stderr}") from None
    if names_wanted:
        for symbol in found["symbols"]:
            if symbol["isExported"] and not symbol["isTypeKnown"]:
                reasons = [line["message"].splitlines()[0] for line in symbol["diagnostics"]]
                print(symbol["name"], *reasons[:1], sep=": ")
    share, names = found["completenessScore"], sum(found["exportedSymbolCounts"].values())
    print(f"{share:.1%} of {names:,} public names have types that checkers know; "
          f"at least {WANTED:.0%} are wanted")
    return 0 if share >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
