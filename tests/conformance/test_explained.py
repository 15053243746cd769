"""`cnnkit.explain` names the kernel that the dispatcher has called, for every case of the kit."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import cnnkit
from cnnkit import conformance, nn
from cnnkit.autograd.calling import apply
from cnnkit.backends import Tables
from cnnkit.backends.state import Choice, Watch, choice
from cnnkit.conformance.checks.calling import arrays_of
from cnnkit.conformance.inputs import Draw, seeded
from cnnkit.inspection.explanation import GENERIC
from cnnkit.inspection.watching import qualified
from cnnkit.ops import OPS


class Calls(nn.Module):
    """Makes the calls of a case: an op, or ops each of which gets the result of the one before."""

    def __init__(self, case, attributes):
        super().__init__()
        self.calls = list(zip(case.ops, attributes, case.arities))

    def forward(self, *inputs):
        value, start = (), 0
        for op, attrs, count in self.calls:
            value = apply(OPS[op], *value[:1], *inputs[start:start + count], **attrs)
            value = value if isinstance(value, tuple) else (value,)
            start += count
        return value


def made(case, target):
    """The module of a case, and its inputs."""
    random, dtype = seeded(case.id), target.dtypes(case)[0]
    drawn = tuple(i.values(random, dtype) if isinstance(i, Draw) else i for i in case.inputs)
    inputs = [cnnkit.Tensor(array, requires_grad=need) if hasattr(array, "dtype") else array
              for array, need in zip(arrays_of(case, target, drawn), case.needs)]
    return Calls(case, target.attributes(case)), inputs


def dispatched(model, inputs, target):
    """The kernels that served the calls, forward, noted by wrappers of the test's own."""
    served = []
    before, names = choice.here(), choice.get().tables

    def select(tables):
        choice.thread.value = replace(choice.here() or Choice(places=False), tables=tables)

    def noting(kernel, table, *arrays, **settings):
        inside = choice.here()
        select(names)  # what a kernel calls is its own business
        try:
            result = kernel(*arrays, **settings)
        finally:
            choice.thread.value = inside
        if result is not NotImplemented:
            ops = tuple(call.op.name for call in settings["calls"]) if "calls" in settings else None
            served.append((table, ops, qualified(kernel)))
        return result

    loaded = [(table.name, table.load()) for table in target.kernel_tables]
    tables = Tables.merged(loaded, lambda table, key, kernel: (
        partial(noting, kernel, table) if isinstance(key, tuple) or key in OPS else kernel))
    for name, op in OPS.items():
        body = partial(noting, op.body(target.backend), GENERIC)
        tables.single[name] = (*tables.single.get(name, ()), body)
    select(Watch(names, lambda backend: tables))
    try:
        model(*inputs)
    finally:
        choice.thread.value = before
    return served


def check(case, target):
    model, inputs = made(case, target)
    rows = cnnkit.explain(model, *inputs).rows
    explained = [(row.table, row.ops if row.fused else None, row.kernel) for row in rows]
    assert explained == dispatched(*made(case, target), target), case.id
    served = case.served(target)
    if served.how == "native":  # what the kit finds, asking one kernel after the other
        whole = [row for row in rows if row.ops == case.ops]
        assert served.tables in [row.table for row in whole], case.id


EVERY = [case for case in conformance.CASES if not any(
    isinstance(value, Mapping) for attrs in case.attributes for value in attrs.values())]


def test_the_kernel_that_explain_names_is_the_one_that_was_called(backend):
    with np.errstate(all="ignore"):
        for case in EVERY[::100]:
            check(case, backend)


@pytest.mark.heavy
@pytest.mark.parametrize("part", range(25))
def test_the_kernel_that_explain_names_is_the_one_that_was_called_in_every_case(backend, part):
    with np.errstate(all="ignore"):
        for case in EVERY[part::25]:
            check(case, backend)
