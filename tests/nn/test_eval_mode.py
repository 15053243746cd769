"""`nn.evaluating`: one thread's evaluation is none of another thread's business."""

import threading

import numpy as np
import pytest

import cnnkit
from cnnkit import nn, random, train


@pytest.fixture
def model():
    random.seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5),
                         nn.Linear(4 * 36, 3))


def test_only_the_models_own_modules_are_evaluated_and_their_modes_stay(model):
    other = nn.Dropout()
    model[1].eval()
    with nn.evaluating(model):
        assert [layer.training for layer in (*model, model, other)] == [False] * 7 + [True]
        with nn.evaluating(other):
            assert not other.training
            assert not model.training
        assert other.training
    assert [layer.training for layer in model] == [True, False, True, True, True, True]


def test_a_mode_that_is_set_meanwhile_counts_afterwards(model):
    with nn.evaluating(model):
        model.eval()
    assert not model.training
    with nn.evaluating(model):
        model.train()
        assert not model.training
    assert model.training


def test_another_thread_sees_nothing_of_it(model):
    seen, inside, done = [], threading.Event(), threading.Event()

    def look():
        inside.wait()
        seen.append(model.training)
        done.set()

    thread = threading.Thread(target=look)
    thread.start()
    with nn.evaluating(model):
        inside.set()
        done.wait()
    thread.join()
    assert seen == [True]


def test_threads_predict_as_one_does_while_another_trains_batch_norm(model):
    x = cnnkit.tensor(np.random.default_rng(0).random((16, 1, 8, 8), np.float32))
    expected = train.predict_proba(model, x).numpy()
    state = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    wrong, start = [], threading.Barrier(8)

    def predict():
        start.wait()
        for _ in range(25):
            wrong.extend([1] * (not np.array_equal(train.predict_proba(model, x).numpy(), expected)))

    threads = [threading.Thread(target=predict) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert model.training
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), state[name])
