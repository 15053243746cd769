"""The layers' graph has each layer's inputs, and receptive fields that are those of `shapes`."""

import numpy as np

import cnnkit
from cnnkit import functional as F
from cnnkit import models, nn, shapes
from cnnkit.inspection.graph import layer_graph


def test_the_sum_of_a_residual_block_takes_both_its_ways():
    nodes = layer_graph(models.resnet18(width_mult=0.125), cnnkit.zeros(1, 3, 32, 32))
    names = [node.name for node in nodes]
    first, second = (n for n, node in enumerate(nodes[:20]) if node.kind == "add")
    assert {names[n] for n in nodes[first].inputs} == {"layer1.0.bn2", "maxpool"}
    assert nodes[second].inputs == (names.index("layer1.1.bn2"), second - 6)


def test_a_concatenation_takes_all_its_parts_and_sees_as_far_as_the_farthest():
    nodes = layer_graph(models.squeezenet1_1(), cnnkit.zeros(1, 3, 64, 64))
    joined = next(node for node in nodes if node.kind == "concat")
    assert [nodes[n].name for n in joined.inputs] == ["features.3.expand1x1_activation",
                                                      "features.3.expand3x3_activation"]
    assert joined.field.size == (15, 15)


def test_dropout_behind_a_concatenation_does_not_take_its_place_and_what_works_in_place_has_a_node():
    nodes = layer_graph(models.squeezenet1_1(), cnnkit.zeros(1, 3, 64, 64))
    names = [node.name for node in nodes]
    assert "classifier.0" not in names
    assert nodes[names.index("classifier.1")].inputs == (len(names) - names[::-1].index("concat") - 1,)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2))
    assert [node.inputs for node in layer_graph(model, cnnkit.zeros(1, 1, 6, 6))] == [(), (0,), (1,), (2,)]


def test_receptive_fields_are_those_of_shapes_and_of_the_gradient():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding="same"), nn.ReLU(), nn.AvgPool2d(2),
                          nn.Conv2d(2, 3, (3, 5), stride=2, dilation=(1, 2), padding=1))
    field = layer_graph(model, cnnkit.zeros(1, 1, 40, 40))[-1].field
    assert field == shapes.receptive_field([(3, 1, 1, 1), (2, 2), ((3, 5), 2, (1, 2), 1)])
    x = cnnkit.rand(1, 1, 40, 40).requires_grad_()
    model[1] = nn.Identity()
    model(x)[0, :, 4, 5].sum().backward()
    rows, columns = (np.flatnonzero(x.grad.numpy()[0, 0].any(axis)) for axis in (1, 0))
    seen = [start + at * jump for start, at, jump in zip(field.start, (4, 5), field.jump)]
    assert [rows[0], columns[0]] == seen
    assert (rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1) == field.size


def test_what_does_nothing_in_evaluation_has_no_node_and_functions_between_layers_are_passed_over():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.drop, self.fc = nn.Conv2d(1, 2, 3), nn.Dropout(), nn.Linear(2, 3)

        def forward(self, x):
            return self.fc(F.relu(self.drop(self.conv(x))).mean((2, 3)))

    model = Net()
    nodes = layer_graph(model, cnnkit.zeros(1, 1, 6, 6))
    assert [(node.name, node.inputs) for node in nodes] == [("image", ()), ("conv", (0,)), ("fc", (1,))]
    assert model.training
