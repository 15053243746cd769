"""backends/README.md: its backend in 20 lines and its CUDA kernel work, and its mistakes are found."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cnnkit import backends

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
    process = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True,
                             text=True, check=False)
    assert process.returncode == 0, process.stderr


ONNX = """
import numpy as np
from cnnkit import nn, onnx

made = onnx.export(nn.Sequential(nn.Linear(3, 3), nn.GELU()), np.zeros((1, 3), np.float32))
print(*[node.op_type for node in made.graph.node], made.opset_import[0].version)
"""


def test_a_table_of_ones_own_draws_another_operator():
    pytest.importorskip("ndonnx")
    text = README.read_text(encoding="utf-8")
    text = text[text.index("## A backend that computes nothing"):text.index("## What is here")]
    code, = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code + ONNX], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["Gemm", "Gelu", "20"]


FAULTS = """
from cnnkit_emulator.device import traced
for line in conformance.run("my-kernels", ops=["relu"]).lines(verbose=True):
    print(line)
with traced():
    for line in conformance.run("my-kernels", ops=["relu"]).lines(verbose=True):
        print(line)
"""


@pytest.mark.heavy
def test_the_kernel_without_a_gpu_is_right_and_its_mistake_is_found(tmp_path):
    emulator = backends.get("emulator")
    if emulator.available() is not True:
        pytest.skip(emulator.available())
    text = README.read_text(encoding="utf-8")
    text = text[text.index("## Write your own RawKernel"):text.index("## A backend that computes nothing")]
    kernel, = re.findall(r"```cuda\n(.*?)```", text, re.DOTALL)
    module, script = re.findall(r"```python\n(.*?)```", text, re.DOTALL)

    def run(folder, source, code):
        folder.mkdir()
        (folder / "my_kernels.cu").write_text(source, encoding="utf-8")
        (folder / "my_kernels.py").write_text(module, encoding="utf-8")
        code = f"import sys; sys.path.insert(0, {str(folder)!r})\n{code}"
        process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert process.returncode == 0, process.stderr
        return process.stdout

    printed = run(tmp_path / "right", kernel, script).splitlines()
    assert len(printed) == 5
    assert all(re.search(r"my-kernels: [1-9]\d* cases passed, 0 failed, .* [1-9]\d* native", line)
               for line in printed[:4]), printed
    assert printed[4] == "1.0 1.0"
    guard = "    if (i >= count) return;\n"
    assert guard in kernel
    start = script[:script.index("for order")]
    printed = run(tmp_path / "wrong", kernel.replace(guard, ""), start + FAULTS)
    faults = re.findall(r"^    (check_outputs: .*)$", text, re.MULTILINE)
    assert len(faults) == 2
    assert all(fault in printed for fault in faults), printed
