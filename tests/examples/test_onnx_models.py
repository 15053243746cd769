"""The table of networks in ONNX: a line each, and differences of the last digits."""

import pytest

pytest.importorskip("ndonnx")
pytest.importorskip("onnxruntime")


def test_it_prints_a_line_of_each(capsys):
    import onnx_models

    onnx_models.main(["lenet5", "cifar_resnet20", "--width", "0.125"])
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[:2] for row in rows] == [["lenet5", rows[0][1]], ["cifar_resnet20", "73"]]
    assert all(float(difference) < 1e-5 for row in rows for difference in row[3:])
