"""The recipes of CONTRIBUTING.md, run from its text in a copy of the repository: each block is put where the
page says.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from cnnkit_cpu.ladder.building import compiler

from cnnkit import backends

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PLACE = r"^\*\*`([^`]+)`\*\*, (a new file|at the end|before|after)(?: `([^\n]+)`)?:\n\n"
BLOCK = re.compile(PLACE + r"```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMANDS = {"pytest": [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
            "cnnkit": [sys.executable, "-m", "cnnkit"]}
CXX = ["-std=c++17", "-O1", "-pthread", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-math-errno",
       "-fno-trapping-math", "-Wno-psabi"]
HEADINGS = {"an op with its layer": 9, "a C++ kernel": 5, "a CUDA kernel": 5, "a backend": 2}


def recipe(name):
    """The text of one recipe."""
    return re.split(r"^## ", PAGE[PAGE.index(f"## Recipe: {name}\n") + 3:], flags=re.MULTILINE)[0]


def follow(text, folder):
    """Put each block of a recipe where the page says."""
    for name, how, line, block in BLOCK.findall(text):
        path = folder / name
        if how == "a new file":
            assert not path.exists(), f"{name} is there already"
            path.parent.mkdir(exist_ok=True)
            path.write_text(block, encoding="utf-8")
            continue
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        at = len(lines)
        if line:
            at, = [n for n, found in enumerate(lines) if line in found]
        lines.insert(at + (how == "after"), block)
        path.write_text("".join(lines), encoding="utf-8")


def run(command, folder, search=()):
    """Run one command of the page in the copy; what it printed."""
    first, *rest = command
    path = os.pathsep.join(map(str, (folder, folder / "backends", *search)))
    done = subprocess.run([*COMMANDS.get(first, [first]), *rest], cwd=folder, capture_output=True, text=True,
                          check=False, env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200"})
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def commands(text):
    """The commands of a recipe, split into words."""
    return [shlex.split(line) for block in re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
            for line in block.splitlines()]


def passed(printed):
    """How many tests pytest says have passed."""
    return int(re.findall(r"(\d+) passed", printed)[-1])


def copied(root, folder):
    """A copy of what the recipes change and run, without built libraries."""
    for name in ("cnnkit", "backends", "tests", "examples"):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(root / name, folder)
    return folder


@pytest.fixture(scope="module")
def with_op(tmp_path_factory):
    """A copy in which the first recipe was followed; the others go on from it."""
    folder = copied(ROOT, tmp_path_factory.mktemp("contributing") / "cnnkit")
    follow(recipe("an op with its layer"), folder)
    return folder


def test_every_block_of_a_recipe_says_where_it_goes():
    assert re.findall(r"^## Recipe: (.+)$", PAGE, re.MULTILINE) == list(HEADINGS)
    for name, blocks in HEADINGS.items():
        text = recipe(name)
        assert len(BLOCK.findall(text)) == blocks
        assert len(re.findall(r"^```\w+$", text, re.MULTILINE)) == blocks + 1  # and the commands


def test_an_activation_takes_four_files_and_25_lines():
    blocks = [(name, block) for name, _, _, block in BLOCK.findall(recipe("an op with its layer"))
              if not name.startswith("tests/")]  # which only say why PyTorch has no such function
    assert len({name for name, _ in blocks}) == 4
    assert sum(block.count("\n") for _, block in blocks) <= 25


@pytest.mark.heavy
def test_an_op_and_its_layer_are_four_entries_and_pass_the_tests_that_there_are(with_op):
    tests, examples, check = commands(recipe("an op with its layer"))
    assert passed(run(tests, with_op)) > 15
    assert passed(run(examples, with_op)) > 20
    assert re.search(r"numpy: 8 cases passed, 0 failed, .* 8 generic", run(check, with_op))
    layer = "from cnnkit import nn; print(nn.SquaredReLU())"
    assert run([sys.executable, "-c", layer], with_op) == "SquaredReLU()\n"


@pytest.mark.heavy
def test_a_cpp_kernel_is_built_called_and_serves_every_case(with_op, tmp_path):
    found = compiler()
    if found is None:
        pytest.skip("there is no C++ compiler")
    folder = copied(with_op, tmp_path / "cnnkit")
    follow(recipe("a C++ kernel"), folder)
    build, check, tests, coverage = commands(recipe("a C++ kernel"))
    assert build == ["pip", "install", "-e", "."]
    kernels = folder / "backends" / "cnnkit_cpu"  # of the three libraries, the one for any processor
    run([found, *CXX, f"-I{kernels / 'src'}", str(kernels / "src" / "generic.cpp"),
         "-o", str(kernels / "libcnnkit_generic.so")], folder)
    assert re.search(r"cpu: 8 cases passed, 0 failed, .* 8 native", run(check, folder))
    assert passed(run(tests, folder)) == 8
    assert passed(run(coverage, folder)) >= 2


@pytest.mark.heavy
def test_a_cuda_kernel_runs_on_the_emulator_and_serves_every_case(with_op, tmp_path):
    emulator = backends.get("emulator")
    if emulator.available() is not True:
        pytest.skip(emulator.available())
    folder = copied(with_op, tmp_path / "cnnkit")
    follow(recipe("a CUDA kernel"), folder)
    check, coverage, tests = commands(recipe("a CUDA kernel"))
    assert re.search(r"emulator: 9 cases passed, 0 failed, .* 9 native", run(check, folder))
    assert passed(run(coverage, folder)) >= 2
    assert passed(run(tests, folder)) == 9


@pytest.mark.heavy
def test_a_backend_is_found_by_its_entry_point_and_passes_the_check(tmp_path):
    pytest.importorskip("array_api_strict")
    follow(recipe("a backend"), tmp_path)
    settings = tmp_path / "my_package" / "pyproject.toml"
    groups = tomllib.loads(settings.read_text(encoding="utf-8"))["project"]["entry-points"]
    installed = tmp_path / "my_package-0.dist-info"  # what pip makes of it
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: my_package\nVersion: 0\n")
    lines = [f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
             for group, entries in groups.items()]
    (installed / "entry_points.txt").write_text("".join(lines))
    listed, check = commands(recipe("a backend"))
    where = (ROOT, ROOT / "backends")
    assert re.search(r"^\W*mine\b", run(listed, tmp_path, where), re.MULTILINE)
    assert re.search(r"mine: \d\d+ cases passed, 0 failed", run(check, tmp_path, where))
