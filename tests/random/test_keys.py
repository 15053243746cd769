"""Keys and the generators that make them: none twice, the same from a seed, each thread its own."""

import copy
import json
import subprocess
import sys
import threading

import numpy as np
import pytest
from threefry_by_hand import by_hand

from cnnkit import random


def test_a_key_is_the_seeds_two_words():
    assert random.key(2**64 - 2) == (2**32 - 2, 2**32 - 1)
    assert random.key(np.int64(5)) == (5, 0)


def test_folded_keys_lie_beyond_every_array_draw():
    assert random.fold_in((3, 4), 10) == tuple(by_hand((3, 4), 2, 2**63 + 10))
    assert random.split((3, 4), 3) == [random.fold_in((3, 4), i) for i in range(3)]
    assert len({random.fold_in((3, 4), i) for i in range(2000)}) == 2000
    assert random.fold_in([3, 4], 10) == random.fold_in((3, 4), 10)


def test_a_generator_never_repeats_a_key_and_repeats_after_seeding():
    generator = random.Generator(8)
    keys = [generator.next_key() for _ in range(100)]
    assert len(set(keys)) == 100
    generator.seed(8)
    assert [generator.next_key() for _ in range(100)] == keys
    generator.seed(9)
    assert generator.next_key() not in keys


def test_a_generators_state_survives_json():
    generator = random.Generator(2**64 - 1)
    generator.next_key()
    state = json.loads(json.dumps(generator.get_state()))
    expected = [generator.next_key() for _ in range(3)]
    restored = random.Generator()
    restored.set_state(state)
    assert [restored.next_key() for _ in range(3)] == expected
    assert restored.get_state() == generator.get_state() == {"seed": 2**64 - 1, "count": 4}


def test_a_program_that_never_seeds_starts_from_seed_0():
    code = "from cnnkit import random; print(random.get_state()); print(random.next_key())"
    state, key = subprocess.run([sys.executable, "-c", code], capture_output=True,
                                text=True, check=True).stdout.splitlines()
    assert state == str({"seed": 0, "count": 0})
    assert key == str(random.Generator(0).next_key())


def test_the_programs_generator_goes_on_from_a_state():
    before = random.get_state()
    try:
        random.seed(12)
        first = random.next_key()
        state = random.get_state()
        second = random.next_key()
        random.set_state(state)
        assert random.next_key() == second != first
    finally:
        random.set_state(before)


def test_threads_never_get_the_same_key():
    generator, keys = random.Generator(1), []

    def draw():
        keys.extend([generator.next_key() for _ in range(2000)])

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys)) == 8000


def test_a_signal_handler_never_gets_the_key_of_the_draw_that_it_interrupts():
    at, interrupted = 0, True
    while interrupted:
        at += 1
        generator, keys, count = random.Generator(1), [], 0

        def trace(frame, event, arg, at=at, generator=generator, keys=keys):
            nonlocal count
            frame.f_trace_opcodes = True
            if event == "opcode" and frame.f_code is random.Generator.next_key.__code__:
                count += 1
                if count == at:
                    sys.settrace(None)
                    keys.append(generator.next_key())
            return trace
        before = sys.gettrace()
        sys._getframe().f_trace_opcodes = True  # Python 3.12 asks the frame that begins
        sys.settrace(trace)
        try:
            keys.append(generator.next_key())
        finally:
            sys.settrace(before)
        interrupted = len(keys) == 2
        assert len({*keys, generator.next_key()}) == len(keys) + 1
    assert at > 5


def test_a_copy_of_a_generator_goes_on_by_itself():
    generator = random.Generator(3)
    generator.next_key()
    copied = copy.deepcopy(generator)
    assert copied.next_key() == generator.next_key()


def test_a_seeded_block_draws_from_its_own_generator_and_leaves_the_programs_as_it_was():
    before = random.get_state()
    with random.seeded(5):
        first = random.next_key()
        with random.seeded(6):
            random.seed(7)
            assert random.next_key() == random.Generator(7).next_key()
        assert random.get_state() == {"seed": 5, "count": 1}
    assert first == random.Generator(5).next_key()
    assert random.get_state() == before


def test_a_seeded_block_is_one_threads_affair():
    before, states = random.get_state(), []
    with random.seeded(5):
        thread = threading.Thread(target=lambda: states.append(random.get_state()))
        thread.start()
        thread.join()
    assert states == [before]


def test_a_seeded_block_ends_with_an_error_too():
    before = random.get_state()
    with pytest.raises(KeyError), random.seeded(5):
        raise KeyError
    assert random.get_state() == before
