"""The backend in 20 lines of backends/README.md: it works, and `cnnkit check` finds the mistake that the text admits."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "backends" / "README.md"
SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import my_backend
import cnnkit
from cnnkit import backends, conformance, models, train

backends.list()
backends.register(my_backend.backend)
backends.register_table(my_backend.table)
with cnnkit.use("my-backend"):
    x = cnnkit.tensor(np.random.default_rng(0).random((8, 1, 8, 8)), dtype="float32")
    model = models.CommonCNN((1, 8, 8))
    assert model(x).backend == "my-backend"
    losses = train.fit(model, (np.asarray(x), np.arange(8)), epochs=20, progress=False)["loss"]
    assert losses[-1] < losses[0], losses
_, status = conformance.main_report("my-backend", ops=["relu"])
assert status == 1, "the kernel of the README is wrong for infinity, and the check should say so"
_, status = conformance.main_report("my-backend", ops=["sigmoid"])
assert status == 0
"""


def test_the_backend_in_twenty_lines_trains_and_is_checked(tmp_path):
    pytest.importorskip("array_api_strict")
    code = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL).group(1)
    lines = [line for line in code.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(lines) <= 20
    (tmp_path / "my_backend.py").write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
