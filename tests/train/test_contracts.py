"""A user's losses and loaders in `fit`: attributes that mean something else are left alone."""

import numpy as np
import pytest

import cnnkit
from cnnkit import functional as F
from cnnkit import models, nn, random, train
from cnnkit.data import DataLoader, Subset, datasets
from cnnkit.data.transforms import RandomHorizontalFlip, RandomTransform
from cnnkit.evaluation.contracts import AugmentingLoader, ResumableLoader, SizedLoader, WeightedLoss
from cnnkit.train.callbacks import Callback, Checkpoint
from cnnkit.train.class_weight import WeightedCrossEntropy

LEARN = Subset(datasets.digits(train=True), range(80))
HELD_OUT = Subset(datasets.digits(train=False), range(40))
MEANINGLESS = {"size": 10, "reduction": "mean", "batch_size": object(), "epoch": "first", "state": None,
               "key": "k", "device": "mine", "name": "n", "weight": 3, "unweighted": True, "skip": True,
               "plain": "p", "augment": "none", "dataset": "digits", "targets": "labels", "classes": 10,
               "shuffle": "no", "mixes": True, "num_classes": 3, "skip_batches": 2, "state_dict": {},
               "batch_weight": 0.5}


def network():
    random.seed(2)
    return models.CNN((1, 8, 8), conv=[(4, 3)], hidden=[16])


def weights(model):
    return np.concatenate([value.numpy().ravel() for value in model.parameters()])


def trained(data=LEARN, **settings):
    model = network()
    history = train.fit(model, data, progress=False, **{"seed": 3, "batch_size": 16} | settings)
    return weights(model), history


class Scored:
    """A user's loss, before it is given attributes."""

    def __call__(self, output, target):
        return F.cross_entropy(output, target)


class Batches:
    """A user's loader over a list of batches, before it is given attributes."""

    def __init__(self, data, **attributes):
        self.batches = list(DataLoader(data, 16))
        vars(self).update(attributes)

    def __iter__(self):
        return iter(self.batches)


def with_attributes(thing, **attributes):
    vars(thing).update(attributes)
    return thing


# Losses


def test_a_loss_with_a_size_of_its_own_accumulates_as_one_without():
    plain, _ = trained(loss=Scored(), accumulate_grad_batches=2)
    sized, _ = trained(loss=with_attributes(Scored(), size=10), accumulate_grad_batches=2)
    np.testing.assert_array_equal(plain, sized)


@pytest.mark.parametrize("name", MEANINGLESS)
def test_no_attribute_of_a_loss_changes_what_is_learnt_or_measured(name):
    settings = {"accumulate_grad_batches": 2, "validation": HELD_OUT}
    plain, before = trained(loss=Scored(), **settings)
    odd, after = trained(loss=with_attributes(Scored(), **{name: MEANINGLESS[name]}), **settings)
    np.testing.assert_array_equal(plain, odd)
    assert (before["loss"], before["val_loss"]) == (after["loss"], after["val_loss"])


def test_a_module_is_a_loss_whatever_its_attributes_are_called():
    class Focal(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.size, self.unweighted = size, False

        def forward(self, output, target):
            return F.cross_entropy(output, target)

    plain, _ = trained(loss=Scored(), accumulate_grad_batches=3, validation=HELD_OUT)
    module, _ = trained(loss=Focal(7), accumulate_grad_batches=3, validation=HELD_OUT)
    np.testing.assert_array_equal(plain, module)


# Loaders


@pytest.mark.parametrize("name", MEANINGLESS)
def test_no_attribute_of_a_loader_changes_what_is_learnt_measured_or_kept(name, tmp_path):
    odd = {name: MEANINGLESS[name]}
    plain, before = trained(Batches(LEARN), validation=Batches(HELD_OUT), epochs=2,
                            callbacks=[Checkpoint(tmp_path / "plain")])
    odd, after = trained(Batches(LEARN, **odd), validation=Batches(HELD_OUT, **odd), epochs=2,
                         callbacks=[Checkpoint(tmp_path / "odd")])
    np.testing.assert_array_equal(plain, odd)
    assert (before["loss"], before["val_loss"]) == (after["loss"], after["val_loss"])


class Pause(Callback):
    """Pauses a run after so many updates."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_end(self, run):
        if run.step == self.step:
            run.pause("to see whether it goes on")


def test_a_loader_whose_skip_means_something_else_is_resumed_by_iteration(tmp_path):
    whole, _ = trained(Batches(LEARN), epochs=2)
    trained(Batches(LEARN, skip=True, epoch="e"), epochs=2, callbacks=[Checkpoint(tmp_path), Pause(7)])
    resumed, _ = trained(Batches(LEARN, skip=True, epoch="e"), epochs=2, resume=tmp_path)
    np.testing.assert_array_equal(whole, resumed)


def test_numbers_beside_a_loader_that_augments_for_itself_are_no_classes():
    x, y = cnnkit.tensor(np.ones((8, 1, 2, 2), "float32")), cnnkit.tensor(np.ones((8, 3), "float32"))

    class Mixing:
        mixes = True

    class Numbers:
        augment = Mixing()

        def __iter__(self):
            return iter([(x, y)])

    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    history = train.fit(net, Numbers(), loss=F.mse_loss, progress=False)
    assert history[0].accuracy is None


# Datasets, as `fit` takes them


class Pairs:
    """A user's dataset, before it is given attributes."""

    def __len__(self):
        return len(LEARN)

    def __getitem__(self, index):
        return LEARN.batch([index])[0][0], int(LEARN.targets[index])


@pytest.mark.parametrize("name", MEANINGLESS)
def test_no_attribute_of_a_dataset_changes_what_is_learnt(name):
    plain, _ = trained(Pairs(), augment=lambda x, y, key: (x, y))
    odd, _ = trained(with_attributes(Pairs(), **{name: MEANINGLESS[name]}), augment=lambda x, y, key: (x, y))
    np.testing.assert_array_equal(plain, odd)


def test_class_weights_are_counted_in_targets_only_where_those_are_one_for_each_sample():
    with pytest.raises(ValueError, match="these data have none"):
        trained(with_attributes(Pairs(), targets=[0, 1]), class_weight="balanced")
    balanced, _ = trained(with_attributes(Pairs(), targets=LEARN.targets.tolist()), class_weight="balanced")
    np.testing.assert_allclose(balanced, trained(LEARN, class_weight="balanced")[0], rtol=1e-6)


@pytest.mark.parametrize("shape", [(8, 8), "8x8", 64, (1, "8", "8")])
def test_named_augmentation_needs_an_image_shape_of_channels_height_and_width(shape):
    with pytest.raises(ValueError, match="for the dataset's image_shape, and a Pairs has none"):
        trained(with_attributes(Pairs(), image_shape=shape), augment="crop=1")
    trained(with_attributes(Pairs(), image_shape=(1, 8, 8), classes=10), augment="crop=1")


# Random transforms, which a checkpoint describes


def test_a_random_transform_may_keep_its_arguments_under_any_names(tmp_path):
    class Brighter(RandomTransform):
        def __init__(self, percent):
            self.share = percent / 100

        def change(self, x, draws, key):
            return x * self.share

    whole, _ = trained(augment=Brighter(50), epochs=2)
    trained(augment=Brighter(50), callbacks=[Checkpoint(tmp_path)])
    np.testing.assert_array_equal(trained(augment=Brighter(50), epochs=2, resume=tmp_path)[0], whole)
    with pytest.raises(ValueError, match=r"was Brighter\(share=0.5\), and now it is Brighter\(share=0.6\)"):
        trained(augment=Brighter(60), epochs=2, resume=tmp_path)


# Optional methods


def test_a_weighted_loss_says_what_a_batch_counts_for_and_how_held_out_images_are_measured():
    class Doubled:
        """Samples of class 0 count twice."""

        def __call__(self, output, target, weight=None):
            counts = (target == 0).to(dtype=output.dtype) + 1.0
            return (F.cross_entropy(output, target, reduction="none") * counts).sum() / counts.sum()

        def batch_weight(self, target, weight=None):
            return float(len(target.numpy()) + (target.numpy() == 0).sum())

        def held_out_loss(self):
            return F.cross_entropy

    halves = {"data": DataLoader(LEARN, 8), "accumulate_grad_batches": 2}
    small, history = trained(**halves, loss=Doubled(), validation=HELD_OUT)
    large, _ = trained(DataLoader(LEARN, 16), loss=Doubled())
    np.testing.assert_allclose(small, large, rtol=1e-3, atol=1e-5)
    assert abs(trained(**halves, loss=Scored())[0] - small).max() > 1e-4
    model = network()
    train.fit(model, **halves, loss=Doubled(), progress=False)
    assert history[-1].val_loss == train.evaluate(model, HELD_OUT, F.cross_entropy).loss


class Resumable(Batches):
    """A user's loader that counts its batches, in an order that depends on how often it was iterated."""

    def __init__(self, data):
        super().__init__(data)
        self.turn, self.skipped, self.loaded = 0, 0, 0

    def __iter__(self):
        rest = (self.batches[self.turn:] + self.batches[:self.turn])[self.skipped:]
        self.turn, self.skipped = self.turn + 1, 0
        for batch in rest:
            self.loaded += 1
            yield batch

    def skip_batches(self, batches):
        self.skipped = batches

    def state_dict(self):
        return {"turn": self.turn}

    def load_state_dict(self, state):
        self.turn = state["turn"]

    def describe_batches(self):
        return {"number of the edition": self.edition}

    edition = 1


@pytest.mark.parametrize("step", [3, 5, 7])
def test_a_users_resumable_loader_goes_on_without_loading_what_was_done(step, tmp_path):
    whole, _ = trained(Resumable(LEARN), epochs=3)  # of 5 updates
    trained(Resumable(LEARN), epochs=3, callbacks=[Checkpoint(tmp_path), Pause(step)])
    loader = Resumable(LEARN)
    resumed, _ = trained(loader, epochs=3, resume=tmp_path)
    np.testing.assert_array_equal(whole, resumed)
    assert loader.loaded == 15 - step


def test_a_run_that_fails_before_it_goes_on_keeps_where_it_was(tmp_path):
    whole, _ = trained(Resumable(LEARN), epochs=3)
    trained(Resumable(LEARN), epochs=3, callbacks=[Checkpoint(tmp_path), Pause(7)])
    (tmp_path / "file").touch()
    elsewhere = Checkpoint(tmp_path / "file" / "folder")
    with pytest.raises(train.CheckpointError) as error:
        trained(Resumable(LEARN), epochs=3, callbacks=[elsewhere], resume=tmp_path)
    resumed, _ = trained(Resumable(LEARN), epochs=3, resume=error.value.state)
    np.testing.assert_array_equal(resumed, whole)


def test_a_run_is_resumed_with_what_its_loader_describes_and_of_its_kind_only(tmp_path):
    trained(Resumable(LEARN), callbacks=[Checkpoint(tmp_path)])
    other = Resumable(LEARN)
    other.edition = 2
    with pytest.raises(ValueError, match="its number of the edition was 1, and now it is 2"):
        trained(other, resume=tmp_path, epochs=2)
    with pytest.raises(ValueError, match="its kind of data was a loader that can be resumed, and now it is"):
        trained(Batches(LEARN), resume=tmp_path, epochs=2)


def test_a_users_augmenting_loader_is_measured_without_and_counts_probabilities_as_classes():
    class Brightened(Batches):
        def __iter__(self):
            return ((x * 0.0, F.one_hot(y, 10).to(dtype=x.dtype)) for x, y in self.batches)

        def plain(self):
            return self.batches

        def describe_augmentation(self):
            return "black"

        def mixes_labels(self):
            return True

    model = network()
    history = train.fit(model, Brightened(LEARN), validation=Brightened(HELD_OUT), progress=False)
    assert history[0].accuracy is not None
    assert history[0].val_loss == train.evaluate(model, DataLoader(HELD_OUT, 16)).loss


def test_numbers_beside_images_that_are_augmented_are_no_classes():
    pairs = [(np.ones((1, 2, 2), "float32"), np.ones(3, "float32"))] * 8
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    history = train.fit(net, pairs, loss=F.mse_loss, augment=RandomHorizontalFlip(), progress=False)
    assert history[0].accuracy is None


def test_cnnkits_loader_meets_every_contract_of_loaders():
    loader = DataLoader(LEARN)
    assert all(isinstance(loader, contract) for contract in (SizedLoader, ResumableLoader, AugmentingLoader))
    assert isinstance(WeightedCrossEntropy([1.0]), WeightedLoss)
    assert not isinstance(nn.CrossEntropyLoss(), WeightedLoss)
