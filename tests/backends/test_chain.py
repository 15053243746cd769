"""Patterns of roles and names: which chains of ops they allow, and which kernels serve them, and when."""

import pytest

from cnnkit.backends import KernelTable, Tables
from cnnkit.backends.chain import Chain
from cnnkit.ops import OPS
from cnnkit.ops.core import Op

ALL = ("conv", "norm?", "add?", "activation?", "pool?")


def named(*names):
    return [OPS[name] for name in names]


def kernels(patterns, *ops):
    """Indices of the patterns whose kernels serve a chain of these ops; ``None`` where it is no chain."""
    root = Chain.root([(pattern, index) for index, pattern in enumerate(patterns)])
    chains = root.along(named(*ops))
    return list(chains[-1].kernels) if len(chains) == len(ops) else None


@pytest.mark.parametrize("ops", [
    ("conv",),
    ("conv", "relu"),
    ("conv", "max_pool"),
    ("conv", "batch_norm", "max_pool"),
    ("conv", "add", "tanh"),
    ("conv", "batch_norm", "add", "leaky_relu", "avg_pool"),
])
def test_optional_names_may_be_missing(ops):
    assert kernels([ALL], *ops) == [0]


@pytest.mark.parametrize("ops", [
    ("relu",),
    ("conv", "max_pool", "relu"),
    ("conv", "relu", "relu"),
    ("conv", "add", "batch_norm"),
    ("conv", "sub"),
])
def test_a_chain_follows_the_order_of_its_pattern(ops):
    assert kernels([ALL], *ops) is None


def test_a_name_that_is_not_optional_may_not_be_missing():
    pattern = ("conv", "norm", "activation?")
    assert kernels([pattern], "conv") == [], "a beginning, which may go on"
    assert kernels([pattern], "conv", "relu") is None
    assert kernels([pattern], "conv", "batch_norm") == [0]


def test_a_chain_may_begin_with_an_optional_name_or_behind_it():
    pattern = ("norm?", "activation")
    assert kernels([pattern], "batch_norm") == []
    assert kernels([pattern], "batch_norm", "tanh") == kernels([pattern], "tanh") == [0]


def test_a_pattern_takes_ops_by_their_names_too():
    literal = ("conv", "relu", "max_pool")
    assert kernels([literal], "conv", "relu", "max_pool") == [0]
    assert kernels([literal], "conv", "tanh") is None
    assert kernels([literal], "conv", "relu", "avg_pool") is None


def test_kernels_are_asked_in_the_order_of_their_patterns():
    patterns = [("conv", "tanh"), ALL, ("conv", "relu"), ("conv", "relu")]
    assert kernels(patterns, "conv", "relu") == [1, 2, 3]


def test_a_kernel_whose_pattern_a_chain_matches_in_two_ways_is_asked_once():
    assert kernels([("activation?", "activation?")], "relu") == [0]
    assert kernels([("activation?", "activation?")], "relu", "tanh") == [0]


def test_an_op_without_infer_is_part_of_no_chain():
    silent = Op(lambda x, *, needs: (x, None), None, 1, 1, {}, role="activation")
    root = Chain.root([(ALL, 0), (("activation", "pool?"), 1)])
    assert root.longer[silent] is None
    assert len(root.along([*named("conv"), silent])) == 1


def test_a_chain_ends_where_no_pattern_goes_on():
    conv, add, relu = Chain.root([(("conv", "add?", "activation?"), 0)]).along(named("conv", "add", "relu"))
    assert (conv.ended, add.ended, relu.ended) == (False, False, True)
    pair, = Chain.root([(("conv",), 0)]).along(named("conv"))
    assert pair.ended


def test_a_chain_knows_the_names_of_its_ops():
    assert [chain.names for chain in Chain.root([(ALL, 0)]).along(named("conv", "add"))] == [
        ("conv",), ("conv", "add")]


def test_the_tree_of_chains_grows_once():
    root, (conv,) = Chain.root([(ALL, 0)]), named("conv")
    assert root.longer[conv] is root.longer[conv]


def one():
    """A kernel."""


def two():
    """Another."""


def three():
    """A third."""


def test_the_kernels_of_a_table_that_stands_first_are_asked_first():
    first = KernelTable("first", "numpy", {("conv", "activation"): (one, two), "relu": three})
    second = KernelTable("second", "numpy", {("conv", "relu"): three, "relu": one})
    assert Tables.of([first, second]).of_chain(named("conv", "relu")) == (one, two, three)
    assert Tables.of([second, first]).of_chain(named("conv", "relu")) == (three, one, two)
    assert Tables.of([second, first]).single["relu"] == (one, three)


def test_a_table_that_is_not_available_serves_no_chain():
    absent = KernelTable("absent", "numpy", {("conv", "activation"): one}, available=lambda: "elsewhere")
    assert Tables.of([absent]).of_chain(named("conv", "relu")) == ()


def test_what_is_no_whole_chain_has_no_kernels():
    tables = Tables.merged([("a", {("conv", "activation"): one})])
    assert tables.of_chain(()) == ()
    assert tables.of_chain(named("conv")) == ()
    assert tables.of_chain(named("conv", "relu", "max_pool")) == ()


def test_who_watches_is_told_table_key_and_kernel_and_says_what_is_asked():
    watched_kernels = []

    def watched(table, key, kernel):
        watched_kernels.append((table, key, kernel))
        return three

    pattern = ("conv", "activation")
    tables = Tables.merged([("a", {"relu": one, pattern: (one, two)})], watched)
    assert watched_kernels == [("a", "relu", one), ("a", pattern, one), ("a", pattern, two)]
    assert tables.single["relu"] == (three,)
    assert tables.of_chain(named("conv", "relu")) == (three, three)
