"""docs/onnx.md lists the operators that there are."""

from pathlib import Path

from cnnkit.onnx import check
from cnnkit.onnx.importer.declaration import supported

PAGE = (Path(__file__).parents[2] / "docs" / "onnx.md").read_text(encoding="utf-8")


def test_every_operator_is_listed_with_its_versions():
    made = " ".join(PAGE[PAGE.index(check.START):PAGE.index(check.END)].split())
    names = [name if len(versions) == 1 else f"{name} ({', '.join(map(str, versions))})"
             for name, versions in supported().items()]
    assert f"{', '.join(names)}." in made
    assert len(names) > 120
