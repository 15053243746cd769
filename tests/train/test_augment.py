"""`fit(augment=...)` changes training images only; labels that are probabilities are counted and weighted."""

import numpy as np
import pytest

import cnnkit
from cnnkit import functional as F
from cnnkit import models, nn, random, train
from cnnkit.data import DataLoader, Subset, datasets, transforms
from cnnkit.train.callbacks import Callback, Checkpoint
from cnnkit.train.class_weight import WeightedCrossEntropy

LEARN = Subset(datasets.digits(train=True), range(96))
HELD_OUT = Subset(datasets.digits(train=False), range(40))
BLACK = transforms.RandomErasing(p=1, scale=(0.9, 0.9), ratio=(1, 1))


class Inputs(Callback):
    """Keeps the batches of every update."""

    def on_train_start(self, run):
        self.batches = []

    def on_before_optimizer_step(self, run):
        self.batches += [(x.numpy(), y.numpy()) for x, y in run.inputs]


def fit(augment, epochs=1, data=LEARN, **settings):
    random.seed(0)
    model, inputs = models.CommonCNN((1, 8, 8)), Inputs()
    history = train.fit(model, data, epochs=epochs, augment=augment, seed=1, progress=False,
                        callbacks=[inputs], **settings)
    return history, inputs.batches, model


def test_names_make_transforms_for_the_datasets_images_and_classes():
    by_name, batches, _ = fit("flip,crop=1,cutmix")
    by_object, other_batches, _ = fit(transforms.named("flip,crop=1,cutmix", (1, 8, 8), 10))
    assert by_object["loss"] == by_name["loss"]
    for (x, y), (x_other, y_other) in zip(batches, other_batches, strict=True):
        np.testing.assert_array_equal(x, x_other)
        np.testing.assert_array_equal(y, y_other)
    assert batches[0][1].shape == (32, 10)
    assert fit(None)[0]["loss"] != by_name["loss"]


def test_the_order_of_the_images_is_that_without_augmentation():
    for (x, y), (x_plain, y_plain) in zip(fit("vflip=1")[1], fit(None)[1], strict=True):
        np.testing.assert_array_equal(x, x_plain[:, :, ::-1])
        np.testing.assert_array_equal(y, y_plain)


def test_held_out_images_are_not_augmented():
    erased = DataLoader(HELD_OUT, 16, augment=BLACK)
    history, _, model = fit("erase=1", validation=erased)
    plain = train.evaluate(model, HELD_OUT)
    assert ((history[0].val_loss, history[0].val_accuracy)
            == pytest.approx((plain.loss, plain.accuracy), rel=1e-5))
    assert train.evaluate(model, erased) == pytest.approx(plain, rel=1e-5)
    assert erased.epoch == 0


def test_accuracy_counts_the_most_probable_class_of_mixed_labels():
    history, batches, _ = fit("mixup=1", lr=0.0)
    model = fit(None, lr=0.0)[2]
    with cnnkit.no_grad():
        right = [(model(cnnkit.tensor(x)).numpy().argmax(1) == y.argmax(1)) for x, y in batches]
    assert history[0].accuracy == pytest.approx(np.concatenate(right).mean())


def test_targets_of_regression_have_no_accuracy():
    x = cnnkit.tensor(np.ones((8, 1, 2, 2), "float32"))
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    history = train.fit(net, iter([(x, cnnkit.tensor(np.ones((8, 3), "float32")))]),
                        loss=F.mse_loss, progress=False)
    assert history[0].accuracy is None


@pytest.mark.parametrize("weights", [{1: 3.0, 2: 0.5}, {0: 0.0, 3: 2.0}])
@pytest.mark.parametrize("weighted", [False, True])
def test_class_weights_of_probabilities_0_and_1_are_those_of_class_indices(backend, weights, weighted):
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(12, 4)).astype("float32"), rng.integers(0, 4, 12)
    sample = cnnkit.Tensor(backend.asarray(rng.random(12).astype("float32"))) if weighted else None
    loss = WeightedCrossEntropy(weights)
    x, hard, soft = (cnnkit.Tensor(backend.asarray(a))
                     for a in (scores, labels, np.eye(4, dtype="float32")[labels]))
    assert loss(x, soft, sample).item() == pytest.approx(loss(x, hard, sample).item(), rel=1e-5)
    hard_weight, soft_weight = (loss.batch_weight(labels, sample).item() for labels in (hard, soft))
    assert soft_weight == pytest.approx(hard_weight, rel=1e-5)


def test_class_weights_of_mixed_labels_weigh_each_class_by_its_part():
    scores, soft = cnnkit.tensor([[2.0, 0.0], [0.0, 1.0]]), cnnkit.tensor([[0.25, 0.75], [0.5, 0.5]])
    log_p = np.log(np.exp(scores.numpy()) / np.exp(scores.numpy()).sum(1, keepdims=True))
    weights = np.asarray([1.0, 3.0])
    expected = -(weights * soft.numpy() * log_p).sum() / (weights * soft.numpy()).sum()
    assert WeightedCrossEntropy({1: 3.0})(scores, soft).item() == pytest.approx(expected, rel=1e-6)


def test_groups_of_batches_count_as_one_with_mixed_labels_and_class_weights():
    weights = {1: 4.0, 7: 0.1}
    history, batches, model = fit("mixup=1", lr=0.01, class_weight=weights, optimizer="sgd",
                                  accumulate_grad_batches=3)
    random.seed(0)
    alone = models.CommonCNN((1, 8, 8))
    x, y = (cnnkit.tensor(np.concatenate(parts)) for parts in zip(*batches))
    loss = WeightedCrossEntropy(weights)(alone(x), y)
    loss.backward()
    cnnkit.optim.SGD(alone.parameters(), lr=0.01, momentum=0.9).step()
    assert len(history) == 1
    for name, value in model.state_dict().items():
        np.testing.assert_allclose(value.numpy(), alone.state_dict()[name].numpy(), rtol=1e-4,
                                   atol=1e-6, err_msg=name)


def test_augmentation_is_for_data_that_are_not_in_batches_yet():
    with pytest.raises(ValueError,
                       match=r"augment= is for data that are not in batches yet.*give it to the DataLoader"):
        fit("flip", data=DataLoader(LEARN))
    with pytest.raises(ValueError,
                       match="makes transforms for the dataset's image_shape, and a list has none"):
        fit("flip", data=[LEARN[i] for i in range(4)])
    assert len(fit(transforms.RandomHorizontalFlip(), data=[LEARN[i] for i in range(4)])[1]) == 1


@pytest.mark.parametrize("now", [None, "flip=0.4", lambda x, y, key: (x, y)])
def test_a_run_is_resumed_with_its_own_augmentation_only(now, tmp_path):
    def go(augment, **settings):
        train.fit(models.CommonCNN((1, 8, 8)), LEARN, augment=augment, progress=False, seed=0,
                  callbacks=[Checkpoint(tmp_path)], **settings)

    go("flip")
    with pytest.raises(ValueError,
                       match=r"its augmentation was Compose\(\[RandomHorizontalFlip\(\)\]\), and now it is"):
        go(now, resume=True, epochs=2)
    go("flip", resume=True, epochs=2)


def test_a_function_is_the_same_augmentation_in_another_process(tmp_path):
    def go(**settings):
        def noise(x, y, *, key):
            return x + random.normal(key, x.shape, std=0.1), y

        return train.fit(models.CommonCNN((1, 8, 8)), LEARN, augment=noise, progress=False, seed=0,
                         callbacks=[Checkpoint(tmp_path)], **settings)

    go()
    assert len(go(resume=True, epochs=2)) == 2
