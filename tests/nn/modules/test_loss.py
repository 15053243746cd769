"""The bases of losses of one's own; see `cnnkit.nn.modules.loss`."""

import pytest

import cnnkit
from cnnkit.nn.modules.loss import _Loss, _WeightedLoss


@pytest.mark.parametrize(("settings", "reduction"), [
    ({}, "mean"), ({"reduction": "sum"}, "sum"), ({"reduce": False}, "none"),
    ({"size_average": False}, "sum"), ({"size_average": True, "reduce": True, "reduction": "sum"}, "mean")])
def test_the_settings_before_reduction_say_the_same(settings, reduction):
    assert _Loss(**settings).reduction == reduction


def test_the_weight_is_a_buffer():
    loss = _WeightedLoss(cnnkit.tensor([1.0, 2.0]), reduction="none")
    assert loss.state_dict()["weight"].tolist() == [1, 2]
    assert (loss.reduction, _WeightedLoss().weight) == ("none", None)
