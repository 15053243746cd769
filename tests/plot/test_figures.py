"""Figures of matplotlib: what they show is what they were given."""

import numpy as np
import pytest

from cnnkit import models, plot
from cnnkit.inspection import show_feature_maps, show_filters
from cnnkit.train import Epoch, History

pytest.importorskip("matplotlib")


def run(*losses):
    return History([Epoch(n, loss, 0.5, 1.0, 1.0, val_loss=2 * loss, lr=0.1)
                    for n, loss in enumerate(losses, 1)])


def test_curves_are_the_history_s_and_held_out_ones_are_dashed():
    figure = run(3.0, 2.0, 1.0).plot()
    learnt, held_out = figure.axes[0].get_lines()
    assert learnt.get_ydata().tolist() == [3.0, 2.0, 1.0]
    assert held_out.get_ydata().tolist() == [6.0, 4.0, 2.0]
    assert (learnt.get_linestyle(), held_out.get_linestyle()) == ("-", "--")
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy", "learning rate"]


def test_several_runs_share_the_axes():
    figure = run(3.0, 2.0).plot(run(1.0, 0.5), names=["a", "b"])
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["a: training", "a: held out", "b: training", "b: held out"]


@pytest.mark.parametrize(("call", "message"), [
    (lambda: plot.history(run(1.0), names=["a", "b"]), "names has 2 of 1 runs"),
    (lambda: plot.history(History()), "no epochs to draw"),
    (lambda: plot.confusion([[1, 2]]), "a confusion matrix is square"),
    (lambda: plot.confusion([[1]], ["a", "b"]), "2 names for 1 classes")])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_filters_and_maps_are_the_pictures_of_inspection():
    model = models.CommonCNN((1, 8, 8))
    image = np.random.default_rng(0).random((8, 8))
    pairs = ((plot.filters(model), show_filters(model)),
             (plot.feature_maps(model, image), show_feature_maps(model, image)))
    for figure, gallery in pairs:
        shown = [axes.images[0].get_array().tolist() for axes in figure.axes if axes.images]
        assert shown == [picture.levels for picture in gallery.pictures]


def test_a_confusion_matrix_has_its_counts_and_names(tmp_path):
    figure = plot.confusion([[5, 1], [0, 4]], ["cat", "dog"])
    assert [text.get_text() for text in figure.axes[0].texts] == ["5", "1", "4"]
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["cat", "dog"]
    figure.savefig(tmp_path / "confusion.png")
