"""What notebooks show of modules, summaries and histories."""

from cnnkit import models, nn
from cnnkit.inspection import summary
from cnnkit.train import Epoch, History


def test_a_module_is_a_tree_with_its_parameters():
    text = models.CommonCNN((1, 8, 8))._repr_html_()
    assert text.count("<details") == text.count("</details>") == 3
    assert "<b>CommonCNN</b> <small>10,858 parameters</small>" in text
    assert "conv1: <b>Conv2d</b>(1, 8, kernel_size=" in text


def test_names_are_escaped():
    assert "&lt;b&gt;: " in nn.ModuleDict({"<b>": nn.ReLU()})._repr_html_()


def test_a_summary_is_a_table_with_its_totals():
    model = models.CommonCNN((1, 8, 8))
    text = summary(model, (1, 8, 8))._repr_html_()
    assert text.count("<tr>") == 1 + len(summary(model, (1, 8, 8)).rows)
    assert "<th>layer</th>" in text
    assert "Total parameters: 10858" in text


def test_a_history_is_its_curves():
    history = History([Epoch(n, 1 / n, 0.5, 1.0, 1.0, lr=0.1) for n in (1, 2, 3)])
    assert history._repr_html_().count("<polyline") == 3
    assert "no epochs" in History()._repr_html_()
