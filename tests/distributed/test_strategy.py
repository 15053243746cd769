"""What connects the processes of a run: by name, or an engine of somebody's own."""

from __future__ import annotations

import numpy as np
import pytest

from cnnkit import distributed, nn, train
from cnnkit.distributed.communicator import Alone
from cnnkit.distributed.strategy import BY_NAME, strategy_of


@pytest.fixture(autouse=True)
def alone_afterwards():
    yield
    distributed.use(None)


class Engine:
    """Notes who asks."""

    def __init__(self, communicator=None):
        self.communicator, self.timeouts = communicator or Alone(), []

    def connect(self, timeout):
        self.timeouts.append(timeout)
        return self.communicator


class Pair:
    """Rank 0 of two."""

    rank, size = 0, 2


def fit(**settings):
    data = np.ones((8, 3), np.float32), np.arange(8) % 2
    return train.fit(nn.Linear(3, 2), data, batch_size=4, seed=0, progress=False, **settings)


def test_fit_connects_by_the_strategy_that_it_is_given():
    engine = Engine()
    fit(strategy=engine, shards=2)
    assert engine.timeouts == [600.0]
    assert distributed.communicator() is engine.communicator


def test_one_process_by_a_strategy_has_no_shards_unless_it_is_told():
    class Sees(train.callbacks.Callback):
        def on_train_start(self, run):
            self.sharding = run.sharding
    sees = Sees()
    fit(strategy="one", callbacks=[sees])
    assert sees.sharding is None
    fit(strategy="one", shards=2, callbacks=[sees])
    assert sees.sharding.shards == 2


def test_init_gives_the_engine_its_time():
    engine = Engine()
    distributed.init(engine, timeout=5)
    assert engine.timeouts == [5.0]


def test_processes_that_are_connected_stay_so():
    engine = Engine(Pair())
    distributed.init(engine)
    distributed.init()
    distributed.init(engine)
    assert len(engine.timeouts) == 1
    with pytest.raises(ValueError, match=r"strategy='mpi': the processes are connected by Engine already"):
        distributed.init("mpi")


@pytest.mark.parametrize("name", BY_NAME)
def test_without_a_launcher_every_name_means_one_process(name):
    assert strategy_of(name).connect(1.0).size == 1


def test_what_is_no_strategy_is_refused_by_name():
    with pytest.raises(ValueError, match="there is no strategy 'ray'; there are one, mpi, mpi"):
        fit(strategy="ray")
    with pytest.raises(TypeError, match=r"or have a method connect\(timeout\); got 3"):
        fit(strategy=3)
