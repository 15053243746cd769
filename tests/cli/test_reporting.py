"""``cnnkit report``: a page from a saved model and data."""

import pytest

from cnnkit.cli import run


def test_it_writes_the_page_with_the_settings_of_the_run(trained, tmp_path, capsys):
    pytest.importorskip("jinja2")
    assert run(["report", str(trained[0]), "digits", "-o", "page.html", "--most", "60", "--show", "3"]) == 0
    assert "Report written to page.html (0." in capsys.readouterr().out
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<title>net on digits</title>" in html
    for fact in ("<th>optimizer</th><td>adam</td>", "<th>seed</th><td>0</td>", "<th>epochs</th><td>8</td>"):
        assert fact in html
    assert html.count("Feature maps of image") == 1


@pytest.mark.parametrize(("arguments", "message"), [
    (["nothing.safetensors", "digits"], "there is no file nothing.safetensors"),
    (["nothing.safetensors", "digits", "-o", "."], "is a folder; name a file in it"),
])
def test_a_mistake_is_one_line(arguments, message, capsys):
    pytest.importorskip("jinja2")
    assert run(["report", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
