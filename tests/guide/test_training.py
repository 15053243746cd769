"""The guide's pseudo code (section 5): the training loop, what its gradients are, and the sentence on
dense layers.
"""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F
from cnnkit import models, optim, train
from cnnkit.data import ArrayDataset, DataLoader, datasets


def digits(count=200):
    data = datasets.digits()
    return np.asarray(data.data[:count]), np.asarray(data.targets[:count])


def test_the_pseudo_code_learns_digits(capsys):
    # Step 1: define the architecture and initialise it
    cnnkit.random.seed(0)
    model = models.CNN((1, 8, 8), conv=[(8, 3)], hidden=[32], classes=10)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    images, labels = map(cnnkit.tensor, digits())
    # Step 2: training loop
    losses = []
    for epoch in range(40):
        scores = model(images)                    # forward: convolution, ReLU, pooling, flatten, dense
        loss = F.cross_entropy(scores, labels)    # loss
        optimizer.zero_grad()
        loss.backward()                           # backpropagation
        optimizer.step()                          # gradient descent
        accuracy = (scores.argmax(1).numpy() == labels.numpy()).mean()
        print(f"Epoch {epoch + 1}, Loss: {loss:.4f}, Accuracy: {accuracy:.2f}")
        losses.append(loss.item())
    # Step 3: prediction
    with cnnkit.no_grad():
        predicted = model(images).argmax(1)
    assert losses[0] == pytest.approx(np.log(10), rel=0.1)
    assert losses[-1] < 0.2
    assert (predicted.numpy() == labels.numpy()).mean() > 0.95
    assert capsys.readouterr().out.startswith("Epoch 1, Loss: ")


def small():
    cnnkit.random.seed(0)
    return models.CNN((1, 8, 8), conv=[(8, 3)], hidden=[32])


def test_fit_is_the_same_loop_in_one_call():
    fitted, model = small(), small()
    train.fit(fitted, digits(), epochs=3, seed=0, lr=0.01, progress=False)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    loader = DataLoader(ArrayDataset(*digits()), batch_size=32, shuffle=True, seed=0)
    for _ in range(3):
        for x, y in loader:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for name, weight in model.state_dict().items():
        np.testing.assert_array_equal(fitted.state_dict()[name].numpy(), weight.numpy())
        assert (weight.numpy() != small().state_dict()[name].numpy()).any()


def test_fit_prints_loss_and_accuracy_of_each_epoch(capsys):
    history = train.fit(small(), digits(), epochs=2, seed=0, lr=0.01)
    lines = capsys.readouterr().out.splitlines()
    assert [line.rsplit(", ", 1)[0] for line in lines] == [
        f"Epoch {n}, loss {row.loss:.4f}, accuracy {row.accuracy:.4f}" for n, row in enumerate(history, 1)]
    assert history["loss"][1] < history["loss"][0]
    assert history["accuracy"][1] > history["accuracy"][0]


def test_features_become_a_decision_for_the_class_with_the_largest_score():
    model, (images, _) = small(), digits(20)
    with cnnkit.no_grad():
        scores = model.classifier(model.features(cnnkit.tensor(images))).numpy()
    for classes in (train.predict(model, images), model.predict(cnnkit.tensor(images))):
        assert classes.tolist() == scores.argmax(1).tolist()
    assert len(set(scores.argmax(1).tolist())) > 1


def loss_and_gradients():
    """A convolution's input, weight, gradient of the output, and what the tape makes of them."""
    rng = np.random.default_rng(0)
    x = cnnkit.tensor(rng.standard_normal((1, 2, 6, 7)), requires_grad=True)
    weight = cnnkit.tensor(rng.standard_normal((3, 2, 3, 3)), requires_grad=True)
    dy = rng.standard_normal((1, 3, 4, 5))
    F.conv2d(x, weight).backward(cnnkit.tensor(dy))
    return x.numpy(), weight.numpy(), dy, x.grad.numpy(), weight.grad.numpy()


def test_the_filters_gradient_is_the_input_correlated_with_the_outputs_gradient():
    x, _, dy, _, dweight = loss_and_gradients()
    expected = np.zeros_like(dweight)
    for r in range(3):
        for s in range(3):
            expected[:, :, r, s] = np.einsum("kpq,cpq->kc", dy[0], x[0, :, r:r + 4, s:s + 5])
    np.testing.assert_allclose(dweight, expected)


def test_transposed_convolution_is_the_inputs_gradient():
    _, weight, dy, dx, _ = loss_and_gradients()
    expected = np.zeros_like(dx)
    for p in range(4):
        for q in range(5):  # every output pixel hands its gradient back through the filter
            expected[0, :, p:p + 3, q:q + 3] += np.einsum("k,kcrs->crs", dy[0, :, p, q], weight)
    np.testing.assert_allclose(dx, expected)


def test_the_gradient_of_softmax_and_cross_entropy_is_probability_minus_truth():
    z = np.random.default_rng(1).standard_normal((4, 10))
    scores, labels = cnnkit.tensor(z, requires_grad=True), np.array([3, 1, 4, 1])
    F.cross_entropy(scores, cnnkit.tensor(labels), reduction="sum").backward()
    expected = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    expected[np.arange(4), labels] -= 1
    np.testing.assert_allclose(scores.grad.numpy(), expected)


def test_the_dense_layers_gradient_is_the_outputs_gradient_times_the_input():
    rng = np.random.default_rng(2)
    x, dz = rng.standard_normal((4, 5)), rng.standard_normal((4, 3))
    weight, bias = (cnnkit.tensor(rng.standard_normal(shape), requires_grad=True) for shape in ((3, 5), (3,)))
    F.linear(cnnkit.tensor(x), weight, bias).backward(cnnkit.tensor(dz))
    np.testing.assert_allclose(weight.grad.numpy(), dz.T @ x)
    np.testing.assert_allclose(bias.grad.numpy(), dz.sum(0))


def test_the_optimizer_takes_the_step_of_gradient_descent():
    weight = cnnkit.nn.Parameter(cnnkit.tensor([1.0, 2.0]))
    (weight * cnnkit.tensor([3.0, -1.0])).sum().backward()
    optim.SGD([weight], lr=0.1).step()
    assert weight.tolist() == pytest.approx([0.7, 2.1])


def test_dropout_zeroes_in_training_only():
    layer, x = cnnkit.nn.Dropout(0.5), cnnkit.tensor(np.ones((1, 1000), "float32"))
    assert 400 < (layer(x).numpy() == 0).sum() < 600
    assert (layer.eval()(x).numpy() == 1).all()


def test_l2_regularisation_shrinks_weights_that_have_no_gradient():
    weight = cnnkit.nn.Parameter(cnnkit.tensor([2.0]))
    (weight * 0.0).sum().backward()
    optim.SGD([weight], lr=0.1, weight_decay=0.5).step()
    assert weight.tolist() == pytest.approx([2.0 - 0.1 * 0.5 * 2.0])


def test_l2_penalty_in_the_loss_shrinks_weights_as_weight_decay_does():
    weight = cnnkit.nn.Parameter(cnnkit.tensor([2.0, -1.0]))
    ((weight * 0.0).sum() + 0.5 * F.l2_penalty([weight])).backward()
    optim.SGD([weight], lr=0.1).step()
    assert weight.tolist() == pytest.approx([2.0 - 0.1 * 0.5 * 2.0, -1.0 + 0.1 * 0.5 * 1.0])


def test_the_architecture_is_chosen_by_one_argument_for_each_question():
    model = models.CNN((1, 28, 28), conv=[(4, 5), (8, 3, 2), (16, 3)], padding="valid", stride=1,
                       pool=[2, 0, 2], hidden=[64, 32], classes=7)
    table = cnnkit.summary(model, (1, 28, 28))
    shapes = [(row.kind, row.output_shape) for row in table.rows if row.kind not in ("ReLU", "Flatten")]
    assert shapes == [("Conv2d", (4, 24, 24)), ("MaxPool2d", (4, 12, 12)),
                      ("Conv2d", (8, 5, 5)), ("Conv2d", (16, 3, 3)),
                      ("MaxPool2d", (16, 1, 1)), ("Linear", (64,)), ("Linear", (32,)), ("Linear", (7,))]


def test_the_common_architecture_has_the_guides_layers():
    rows = cnnkit.summary(models.CommonCNN(), (3, 32, 32)).rows
    assert [(row.kind, row.output_shape) for row in rows] == [
        ("Conv2d", (8, 32, 32)), ("ReLU", (8, 32, 32)), ("MaxPool2d", (8, 16, 16)),
        ("Conv2d", (16, 16, 16)), ("ReLU", (16, 16, 16)), ("MaxPool2d", (16, 8, 8)),
        ("Flatten", (1024,)), ("Linear", (128,)), ("ReLU", (128,)), ("Linear", (10,))]


def test_the_common_architecture_gives_probabilities_by_softmax():
    model, images = (models.CommonCNN(),
                     cnnkit.tensor(np.random.default_rng(3).random((2, 3, 32, 32), "float32")))
    with cnnkit.no_grad():
        z = model(images).numpy()
    for p in (model.predict_proba(images), train.predict_proba(model, images)):
        np.testing.assert_allclose(p.numpy(), np.exp(z) / np.exp(z).sum(1, keepdims=True), rtol=1e-5)
