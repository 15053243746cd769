"""A report has its five parts, says what the functions beneath say, and asks nothing of the network."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import cnnkit
from cnnkit import models, nn, train
from cnnkit.data import datasets
from cnnkit.report import Run, make_report

pytest.importorskip("jinja2")

VOID = {"meta", "link", "img", "br", "image", "rect", "line", "circle", "polyline", "path"}


class Page(HTMLParser):
    """The page's tags, which must be closed in order, its text, and the addresses that it names."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.addresses, self.text = [], [], [], ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def trained():
    cnnkit.random.seed(0)
    model, digits = models.CommonCNN((1, 8, 8)), datasets.digits()
    history = train.fit(model, digits, validation=datasets.digits(train=False), epochs=2, batch_size=64,
                        lr=0.01, seed=0, progress=False)
    return model, history, datasets.digits(train=False)


@pytest.fixture(scope="module")
def page(trained):
    return Page(make_report(*trained[::2], trained[1], title="digits <b>", settings={"seed": "0"}).html)


def test_it_asks_nothing_of_the_network_and_has_no_script(page):
    assert "script" not in page.tags
    assert {address[:5] for address in page.addresses} <= {"data:", "#trai", "#laye", "#view", "#heat",
                                                           "#answ", "#cell"}


def test_names_are_escaped(page):
    assert "digits <b>" in page.text
    assert "b" not in [tag for tag in page.tags if tag == "b"]


def test_it_says_the_accuracy_that_evaluate_finds(trained, page):
    model, _, data = trained
    assert f"accuracy {train.evaluate(model, data).accuracy:.4f} on 359 images" in page.text


def test_it_has_every_layer_and_every_kernel_that_explain_names(trained, page):
    model, _, data = trained
    with cnnkit.no_grad():
        rows = cnnkit.explain(model.eval(), data.batch(range(32))[0]).rows
    for row in rows:
        assert row.layer.replace("+", " + ") in page.text
        assert f"{row.table}: {row.kernel.rpartition('.')[2]}" in page.text
    assert "(3 x 3 x 1) x 8 + 8 = 80" in page.text
    assert "(8 + 2 x 1 - 3) / 1 + 1 = 8" in page.text
    assert re.search(r"\d\.\d{3} ms", page.text)


def test_it_has_maps_by_every_method(page):
    for method in ("Saliency", "SmoothGrad", "Integrated gradients", "Occlusion", "Grad-CAM"):
        assert page.text.count(method) >= 4


def test_it_has_a_flame_graph_of_a_step_and_the_accuracy_by_size(page):
    assert re.search(r"backward: \d+\.\d+ ms, \d+\.\d %", page.text)
    groups = re.findall(r"% of the pixels:\s+\d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\), 7[12] images", page.text)
    assert len(groups) == 5


def test_each_mistake_has_a_gallery_behind_its_cell(trained, page):
    model, _, data = trained
    predicted = train.predict(model, data).tolist()
    mistakes = {(t, p) for t, p in zip(data.targets.tolist(), predicted) if t != p}
    assert {f"#cell-{t}-{p}" for t, p in mistakes} == {a for a in page.addresses if a.startswith("#cell")}


def test_the_model_stays_as_it_is(trained):
    model, _, data = trained
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    hooks, mode = [m._hooks for m in model.modules()], model.training
    make_report(model, data, most=40, analyze=False)
    assert [m._hooks for m in model.modules()] == hooks
    assert model.training == mode
    assert all(np.array_equal(before[name], value.numpy()) for name, value in model.state_dict().items())


def test_several_runs_are_drawn_over_each_other(trained):
    model, history, data = trained
    runs = [Run("first", history), Run("second", history)]
    html = make_report(model, data, runs, most=40, analyze=False).html
    assert "first: training" in html
    assert "second: held out" in html


def test_a_network_without_classes_has_the_first_three_parts():
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 6 * 6, 1))
    data = np.random.default_rng(0).random((9, 3, 8, 8), dtype="float32"), np.zeros((9, 1), "float32")
    page = Page(make_report(model, data, analyze=False).html)
    assert "Feature maps of image 4" in page.text
    assert "Right and wrong" not in page.text


def test_it_shows_the_images_that_are_asked_for(trained):
    model, _, data = trained
    html = make_report(model, data, show=[7], most=40, analyze=False).html
    assert html.count("Feature maps of image") == 1
    with pytest.raises(ValueError, match=r"show=\[40\]: it takes positions from 0 to 39"):
        make_report(model, data, show=[40], most=40)


def test_it_is_saved_and_shown_in_notebooks(trained, tmp_path):
    model, _, data = trained
    report = make_report(model, data, most=40, analyze=False)
    assert report.save(tmp_path / "new" / "page.html").read_text(encoding="utf-8") == report.html
    assert report._repr_html_().startswith("<iframe")
    assert "sandbox" in report._repr_html_()
