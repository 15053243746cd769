"""A budget for the arrays of a model that a file's settings describe."""

import threading

import pytest

from cnnkit import models, nn, random
from cnnkit.storage import FormatError
from cnnkit.storage.budget import budget


def test_a_model_of_its_files_size_can_be_made():
    net = models.CNN((1, 8, 8), conv=[(4, 3)], hidden=[50], classes=2, batch_norm=True)
    numbers = [value.numpy().size for value in net.state_dict().values()]
    with budget(sum(numbers), len(numbers)):
        models.build("CNN", net.config)


@pytest.mark.parametrize("make", [
    lambda: nn.Linear(1 << 20, 1 << 20), lambda: nn.Conv2d(1 << 12, 1 << 12, 99),
    lambda: nn.BatchNorm2d(1 << 40),
    lambda: random.normal(random.key(0), (1 << 40,)), lambda: random.permutation(random.key(0), 1 << 40),
    lambda: random.uniform(random.key(0), (1 << 20, 1 << 20))])
def test_a_larger_array_is_refused_before_memory_is_taken(make):
    with budget(1000, 4), pytest.raises(FormatError, match="larger model than the file holds"):
        make()


def test_many_small_arrays_are_refused_too():
    with budget(1000, 4), pytest.raises(FormatError, match="more than the 4 arrays"):
        nn.Sequential(*[nn.Linear(1, 1) for _ in range(50)])


def test_many_arrays_are_added_up():
    with budget(1000, 4), pytest.raises(FormatError, match="larger model"):
        nn.Sequential(*[nn.Linear(100, 100) for _ in range(10)])


def test_it_ends_with_its_block_and_does_not_concern_other_threads():
    made = []
    with budget(1, 1):
        thread = threading.Thread(target=lambda: made.append(nn.Linear(1000, 100)))
        thread.start()
        thread.join()
    nn.Linear(1000, 100)
    assert made
