"""The same draws everywhere: published vectors, equality between array libraries, distributions."""

import math

import numpy as np
import pytest
from cnnkit_numpy.random import random_bits
from threefry_by_hand import by_hand

from cnnkit import backends, random

SHAPES = [(), (0,), (3, 0, 2), (1,), (2,), (7,), (3, 5), (4, 4, 2), (2501,)]
WORD = 0xFFFFFFFF
PUBLISHED = [  # Random123's kat_vectors, threefry 2 32 20: counter, key, result
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]


@pytest.fixture(params=["numpy", "array-api-strict", "torch", "jax"])
def backend(request):
    try:
        return backends.get(request.param)
    except backends.Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def kernel():
    """Serve `bits` from the NumPy kernel, and only from it, until the test ends."""
    backends.register_table(backends.KernelTable("random-test", "numpy", {"random_bits": random_bits}))
    with backends.tables("random-test"):
        yield
    backends.register_table(remove="random-test")


@pytest.fixture
def generic():
    with backends.tables():
        yield


def as_signed(word):
    return word - 2**32 if word >= 2**31 else word


def unsigned(backend, array):
    return backend.to_numpy(array).astype(np.int64) & WORD


# Threefry

@pytest.mark.parametrize(("counter", "key", "expected"), PUBLISHED)
def test_arrays_give_the_published_vectors(backend, counter, key, expected):
    xp = backend.namespace
    low, high = (xp.asarray([as_signed(word)], dtype=xp.int32) for word in counter)
    words = random.threefry(key, low, high)
    assert [word.dtype for word in words] == [xp.int32, xp.int32]
    assert tuple(int(unsigned(backend, word)[0]) for word in words) == expected


@pytest.mark.parametrize(("counter", "key", "expected"), PUBLISHED)
def test_python_ints_give_the_published_vectors(counter, key, expected):
    assert random.cipher.threefry_int(key, counter[0] + (counter[1] << 32)) == expected
    assert tuple(by_hand(key, 2, counter[0] + (counter[1] << 32))) == expected


@pytest.mark.parametrize("first", [0, 5, 2**30 - 3, 2**31 - 3, 2**32 - 3, 2**32, 2**63 - 4])
def test_counters_carry_into_the_high_word(backend, first):
    words = random.draws.words(backend.namespace, (11, 2**32 - 1), first, 13, None)
    assert unsigned(backend, words).tolist() == by_hand((11, 2**32 - 1), 13, first)


# Bits

@pytest.mark.parametrize("shape", SHAPES)
def test_bits_are_the_same_on_every_library(backend, shape):
    key = random.key(2**63 + 12345)
    array = random.bits(key, shape, backend=backend)
    assert backend.owns(array)
    assert tuple(array.shape) == shape
    assert array.dtype == backend.namespace.int32
    assert unsigned(backend, array).reshape(-1).tolist() == by_hand(key, math.prod(shape))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.usefixtures("kernel")
def test_the_numpy_kernel_gives_the_generic_bits(shape):
    key = random.key(99)
    array = random.bits(key, shape)
    assert type(array) is np.ndarray
    assert array.shape == shape
    assert array.dtype == np.int32
    assert array.view(np.uint32).reshape(-1).tolist() == by_hand(key, math.prod(shape))


def test_a_kernel_that_declines_falls_through_to_the_generic_version():
    calls = []

    def decline(key, shape, device):
        calls.append((key, shape, device))
        return NotImplemented

    backends.register_table(backends.KernelTable("declines", "numpy", {"random_bits": decline}))
    try:
        with backends.tables("declines"):
            array = random.bits((1, 2), 3)
    finally:
        backends.register_table(remove="declines")
    assert calls == [((1, 2), (3,), None)]
    assert array.view(np.uint32).tolist() == by_hand((1, 2), 3)


def test_a_short_draw_is_the_beginning_of_a_long_one():
    assert random.bits((3, 4), 7).tolist() == random.bits((3, 4), (2, 6)).reshape(-1)[:7].tolist()


def test_arrays_are_made_where_use_or_like_says():
    strict = backends.get("array-api-strict")
    with backends.use("array-api-strict"):
        assert strict.owns(random.uniform((0, 1), 3))
        assert strict.owns(random.normal((0, 1), 3))
    like = strict.asarray([1.0])
    for array in (random.bits((0, 1), 3, like=like), random.bernoulli((0, 1), 0.5, 3, like=like),
                  random.normal((0, 1), 3, like=like), random.uniform_between((0, 1), 3, 0, 1, like=like)):
        assert strict.owns(array)
        assert array.device == like.device


def test_a_device_is_passed_on():
    strict = backends.get("array-api-strict")
    device = strict.namespace.Device("device1")
    for array in (random.bits((0, 1), 3, backend=strict, device=device),
                  random.bits((0, 1), 0, backend=strict, device=device),
                  random.uniform((0, 1), 3, backend=strict, device=device),
                  random.uniform_between((0, 1), 3, 0, 1, backend=strict, device=device)):
        assert array.device == device


# Uniform, Bernoulli

@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_uniforms_are_the_top_24_bits_on_every_library(backend, shape, dtype):
    if backend.name == "jax" and dtype == "float64":
        pytest.skip("jax has float64 only where x64 is enabled")
    key = (17, 4)
    array = random.uniform(key, shape, dtype, backend=backend)
    values = backend.to_numpy(array)
    assert backend.owns(array)
    assert values.dtype == dtype
    assert values.shape == shape
    assert values.reshape(-1).tolist() == [(word >> 8) / 2**24 for word in by_hand(key, math.prod(shape))]


@pytest.mark.parametrize(("dtype", "precision"), [("float16", 11), ("bfloat16", 8)])
def test_half_precision_uniforms_are_rounded_down_and_never_one(backend, dtype, precision):
    if dtype not in backend.dtypes:
        pytest.skip(f"{backend.name} has no {dtype}")
    array = random.uniform((17, 4), 5000, dtype, backend=backend)
    assert array.dtype == backend.dtype(dtype)
    values = backend.to_numpy(backend.namespace.astype(array, backend.dtype("float32")))
    assert values.tolist() == [(word >> 32 - precision) / 2**precision for word in by_hand((17, 4), 5000)]
    assert values.max() < 1


@pytest.mark.usefixtures("kernel")
def test_uniforms_from_the_numpy_kernel_are_the_generic_ones():
    fast = random.uniform((8, 8), 1001)
    with backends.tables():
        assert np.array_equal(fast, random.uniform((8, 8), 1001))


@pytest.mark.parametrize("n", [1, 2, 777])
@pytest.mark.parametrize("p", [0, 2.0**-25, 0.1, 0.5, 0.9999, 1])
def test_bernoulli_is_exact_on_every_library(backend, p, n):
    array = random.bernoulli((5, 6), p, (n, 1), backend=backend)
    assert array.dtype == backend.namespace.bool
    assert tuple(array.shape) == (n, 1)
    expected = [(word >> 8) < round(p * 2**24) for word in by_hand((5, 6), n)]
    assert backend.to_numpy(array).reshape(-1).tolist() == expected


def test_bernoulli_of_zero_is_never_and_of_one_is_always(backend):
    assert not backend.to_numpy(random.bernoulli((5, 6), 0, 5000, backend=backend)).any()
    assert backend.to_numpy(random.bernoulli((5, 6), 1.0, 5000, backend=backend)).all()
    assert tuple(random.bernoulli((5, 6), 0.5, (), backend=backend).shape) == ()


def test_bernoulli_is_false_where_the_uniform_equals_p():
    uniforms = random.uniform((5, 6), 200, "float64")
    for i, p in enumerate(uniforms.tolist()):
        assert random.bernoulli((5, 6), p, 200).tolist() == (uniforms < p).tolist()
        assert not random.bernoulli((5, 6), p, 200)[i]


def test_uniforms_fill_their_bins_evenly():
    counts = np.bincount((random.uniform(random.key(1), 200_000) * 256).astype(int), minlength=256)
    expected = 200_000 / 256
    assert chi_square(counts, expected) < 255 + 5 * math.sqrt(2 * 255)


def test_pairs_of_neighbours_fill_their_square_evenly():
    pairs = (random.uniform(random.key(2), (200_000, 2)) * 16).astype(int)
    counts = np.bincount(pairs[:, 0] * 16 + pairs[:, 1], minlength=256)
    assert chi_square(counts, 200_000 / 256) < 255 + 5 * math.sqrt(2 * 255)


def test_different_keys_give_unrelated_numbers():
    a, b = (random.uniform(key, 100_000, "float64") - 0.5 for key in random.split(random.key(0), 2))
    assert abs(float((a * b).mean())) < 5 / 12 / math.sqrt(100_000)


def chi_square(counts, expected):
    return float(((counts - expected) ** 2 / expected).sum())


# Draws on the host

@pytest.mark.parametrize("shape", SHAPES)
def test_normals_are_box_muller_on_every_library(backend, shape):
    array = random.normal((21, 22), shape, 3.0, 0.5, backend=backend)
    n = math.prod(shape)
    values = backend.to_numpy(array)
    assert backend.owns(array)
    assert values.dtype == np.float32
    assert values.shape == shape
    words = np.array(by_hand((21, 22), n + n % 2), np.float64)
    z = np.sqrt(-2 * np.log((words[::2] + 0.5) / 2**32)) * np.exp(2j * np.pi * (words[1::2] + 0.5) / 2**32)
    expected = 3.0 + 0.5 * np.stack([z.real, z.imag], axis=1).reshape(-1)[:n]
    np.testing.assert_allclose(values.reshape(-1), expected, rtol=2e-7)
    on_numpy = random.normal((21, 22), shape, 3.0, 0.5, backend=backends.get("numpy"))
    assert values.tobytes() == on_numpy.tobytes()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_normals_in_other_dtypes_are_the_rounded_float64(backend, dtype):
    if dtype not in backend.dtypes or (backend.name, dtype) == ("jax", "float64"):
        pytest.skip(f"{backend.name} has no {dtype} here")
    array = random.normal((21, 22), 501, dtype=dtype, backend=backend)
    assert array.dtype == backend.dtype(dtype)
    float64_values = random.normal((21, 22), 501, dtype="float64", backend=backends.get("numpy"))
    if dtype == "bfloat16":
        values = backend.to_numpy(backend.namespace.astype(array, backend.dtype("float32")))
        word = float64_values.astype(np.float32).view(np.uint32)
        nearest = (word + 0x7FFF + (word >> 16 & 1)) & 0xFFFF0000  # the upper half of a float32, ties to even
        assert values.view(np.uint32).tolist() == nearest.tolist()
    else:
        assert backend.to_numpy(array).tolist() == float64_values.astype(dtype).tolist()


@pytest.mark.usefixtures("kernel")
def test_host_draws_from_the_numpy_kernel_are_the_generic_ones():
    draws = [lambda: random.normal((8, 8), 1001), lambda: random.permutation((8, 8), 1001),
             lambda: random.randint((8, 8), 1001, -5, 5), lambda: random.uniform_between((8, 8), 1001, -5, 5)]
    fast = [draw() for draw in draws]
    with backends.tables():
        assert [array.tobytes() for array in fast] == [draw().tobytes() for draw in draws]


def test_normals_have_the_moments_and_tails_of_a_normal():
    n = 400_000
    z = random.normal(random.key(4), n, dtype="float64")
    assert abs(z.mean()) < 5 / math.sqrt(n)
    assert abs(z.var() - 1) < 5 * math.sqrt(2 / n)
    assert abs((z**3).mean()) < 5 * math.sqrt(15 / n)
    assert abs((z**4).mean() - 3) < 5 * math.sqrt(96 / n)
    for bound in (0.5, 1, 2, 3):
        p = math.erfc(bound / math.sqrt(2))
        assert abs((abs(z) > bound).mean() - p) < 5 * math.sqrt(p * (1 - p) / n)
    assert abs((z[::2] * z[1::2]).mean()) < 5 / math.sqrt(n / 2)


def test_normals_stay_finite_at_the_ends_of_the_word(monkeypatch):
    ends = np.array([0, 0, WORD, WORD, 0, WORD], np.uint32).view(np.int32)
    monkeypatch.setattr(random.host, "bits", lambda *_, **__: ends)
    z = random.normal((0, 0), 6, dtype="float64")
    assert np.isfinite(z).all()
    assert 6.76 < np.abs(z).max() < 6.77


def test_uniform_between_takes_32_bits_on_every_library(backend):
    array = random.uniform_between((3, 9), (3, 7), -0.25, 0.75, backend=backend)
    expected = np.float32([-0.25 + (word + 0.5) / 2**32 for word in by_hand((3, 9), 21)])
    assert backend.owns(array)
    assert backend.to_numpy(array).tobytes() == expected.tobytes()


@pytest.mark.parametrize("n", [0, 1, 2, 5, 1000, 1001])
def test_a_permutation_holds_every_number_once(n):
    order = random.permutation((1, 1), n)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == [*range(n)]
    words = by_hand((1, 1), 2 * n)
    keys = [low + (high << 32) for low, high in zip(words[::2], words[1::2])]
    assert order.tolist() == sorted(range(n), key=keys.__getitem__)


def test_equal_words_keep_their_order_in_a_permutation(monkeypatch):
    tied = np.tile(np.array([7, 1, 7, 0], np.int32), 500)
    monkeypatch.setattr(random.host, "bits", lambda *_, **__: tied)
    assert random.permutation((0, 0), 1000).tolist() == [*range(1, 1000, 2), *range(0, 1000, 2)]


def test_permutations_are_equally_likely():
    orders = [tuple(random.permutation(random.fold_in((2, 2), i), 4)) for i in range(4800)]
    counts = np.array([orders.count(order) for order in set(orders)])
    assert len(counts) == 24
    assert chi_square(counts, 200) < 23 + 5 * math.sqrt(46)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 4), (0, 2**32), (2**63 - 10, 2**63),
                                           (-(2**63), 2**32 - 2**63), (-(2**31), 2**31 - 1)])
def test_randint_is_the_high_half_of_word_times_range(low, high):
    words = by_hand((6, 6), 2 * 300)
    expected = [low + ((w0 + (w1 << 32)) * (high - low) >> 64) for w0, w1 in zip(words[::2], words[1::2])]
    drawn = random.randint((6, 6), (3, 100), low, high)
    assert drawn.dtype == np.int64
    assert drawn.reshape(-1).tolist() == expected


def test_randint_of_one_number_has_shape_nothing():
    assert random.randint((6, 6), (), 0, 10).shape == ()
    assert random.randint((6, 6), (0, 2), 0, 10).shape == (0, 2)


# Bad arguments

@pytest.mark.parametrize(("draw", "error", "message"), [
    (lambda: random.key(-1), ValueError, r"seed must be in \[0, 2\*\*64\), got -1; seed % 2\*\*64"),
    (lambda: random.key(2**64), ValueError, "got 18446744073709551616"),
    (lambda: random.seed(1.5), TypeError, r"seed must be an integer, got 1.5 \(float\); int"),
    (lambda: random.key(True), TypeError, "got True"),
    (lambda: random.fold_in((0, 0), 2**63), ValueError, r"data must be in \[0, 2\*\*63\)"),
    (lambda: random.split((0, 0), -1), ValueError, "-1"),
    (lambda: random.bits(7, (2,)), TypeError, r"key must be a pair of ints, got 7; cnnkit.random.key\(7\)"),
    (lambda: random.bits((0, 2**32), (2,)), ValueError, "4294967296"),
    (lambda: random.bits((0, 0), (2, -1)), ValueError, r"shape \(2, -1\) has a negative size"),
    (lambda: random.normal((0, 0), -3), ValueError, r"shape \(-3,\)"),
    (lambda: random.permutation((0, 0), -3), ValueError, r"-3"),
    (lambda: random.bits((0, 0), 2, like=np.zeros(1), device="cpu"), TypeError, "either like= or"),
    (lambda: random.bernoulli((0, 0), 20, 3), ValueError, r"p must be a probability in \[0, 1\], got 20"),
    (lambda: random.bernoulli((0, 0), -0.1, 3), ValueError, "got -0.1"),
    (lambda: random.bernoulli((0, 0), math.nan, 3), ValueError, "got nan"),
    (lambda: random.uniform((0, 0), 3, "int32"), TypeError, "got 'int32'; use randint"),
    (lambda: random.normal((0, 0), 3, 0, -1), ValueError, "std=-1"),
    (lambda: random.uniform_between((0, 0), 3, 1, 0), ValueError, "low=1, high=0"),
    (lambda: random.randint((0, 0), 3, 5, 5), ValueError, "low=5, high=5"),
    (lambda: random.randint((0, 0), 3, 0, 2**32 + 1), ValueError, "high=4294967297"),
    (lambda: random.set_state({"seed": 1}), ValueError, "get_state"),
])
def test_a_bad_argument_is_named_with_its_fix(draw, error, message):
    with pytest.raises(error, match=message):
        draw()


def test_the_state_of_a_stream_leads_back_to_the_same_draws():
    with random.stream(random.fold_in(random.key(3), 1)):
        state, drawn = random.get_state(), random.next_key()
        random.set_state(state)
        assert random.next_key() == drawn
