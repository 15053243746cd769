"""Inside autocast, ops run in the dtypes of PyTorch's lists; `cnnkit.autograd.casting`."""

import warnings

import pytest

import cnnkit
import cnnkit.functional as F
from cnnkit.autograd import casting
from cnnkit.ops import OPS

RULES = {"fp16": "float16", "fp32": "float32", "need_autocast_promote": "float32",
         "expect_builtin_promote": "float32"}
# what PyTorch's tests of autocast call, and cnnkit has not under this name, or not with these arguments
ABSENT = {"_convolution", "conv_tbc", "convolution", "cudnn_convolution", "cudnn_convolution_transpose",
          "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell", "nll_loss2d", "equal", "__div__",
          "grid_sampler", "erfinv",
          "einsum", "linear", "poisson_nll_loss", "margin_ranking_loss"}  # shapes that do not fit: see below


def test_every_rule_is_of_an_op():
    assert set(casting.RULES) <= set(OPS)


def calls_of_pytorch():
    """Each call in PyTorch's tests of autocast on CUDA, with the dtype that its result should have."""
    lists = pytest.importorskip("torch.testing._internal.autocast_test_lists")
    torch = pytest.importorskip("torch")
    # the import has frozen PyTorch's flags, for other tests as well
    torch.backends.disable_global_flags.__globals__["__allow_nonbracketed_mutation_flag"] = True
    calls = lists.AutocastTestLists(torch.device("cpu"))
    for attribute, entries in vars(calls).items():
        where, _, rule = attribute.partition("_")
        if isinstance(entries, list) and where in ("torch", "nn", "methods"):
            for name, args, *more in entries:
                kwargs = next((item for item in more if isinstance(item, dict)), {})
                yield torch, where, rule, name, args, kwargs


def as_tensors(torch, value):
    if isinstance(value, torch.Tensor):
        return cnnkit.Tensor(value)
    if isinstance(value, list | tuple):
        return type(value)(as_tensors(torch, item) for item in value)
    return value


def function_named(where, name):
    if where == "methods":
        return lambda tensor, *args, **kwargs: getattr(tensor, name)(*args, **kwargs)
    return getattr(F if where == "nn" else cnnkit, name, None) or getattr(F, name, None)


def test_results_have_the_dtypes_that_pytorch_s_own_tests_of_autocast_expect():
    wrong, asked, absent = [], 0, set()
    for torch, where, rule, name, args, kwargs in calls_of_pytorch():
        if name in ABSENT:
            absent.add(name)
            continue
        args = as_tensors(torch, args if isinstance(args, tuple) else (args,))
        with warnings.catch_warnings(), cnnkit.autocast("cpu", dtype=cnnkit.float16):
            warnings.simplefilter("ignore")
            try:
                result = function_named(where, name)(*args, **kwargs)
            except Exception as error:
                wrong.append((name, repr(error)[:150]))
                continue
        asked += 1
        expected = kwargs.get("dtype", RULES[rule])
        boolean = name.strip("_") in ("eq", "ge", "gt", "le", "lt", "ne")
        found = result.dtype.name
        if found != ("bool" if boolean else expected if isinstance(expected, str) else found):
            wrong.append((name, rule, found))
    assert wrong == []
    assert asked > 80
    assert absent == ABSENT


@pytest.mark.parametrize(("call", "expected"), [
    (lambda x, y: cnnkit.einsum("ij,kj->ik", x, y), "float16"),
    (lambda x, y: F.linear(x, y, y[0]), "float16"),
    (lambda x, y: F.poisson_nll_loss(x.half(), y.half()), "float32"),
    (lambda x, y: F.margin_ranking_loss(x.half(), y.half(), y.half()), "float32"),
    (lambda x, y: F.batch_norm(x.half(), None, None, y[0], training=True), "float16"),
    (lambda x, y: F.huber_loss(x.half(), y), "float32"),
    (lambda x, y: F.binary_cross_entropy(F.sigmoid(x.half()), F.sigmoid(y)), "float32"),
    (lambda x, y: F.cross_entropy(x.half(), y), "float32"), (lambda x, y: x.half().mean(), "float16"),
    (lambda x, y: x.half() + y, "float32"), (lambda x, y: x.half() * 2.0, "float16"),
    (lambda x, y: x.double() @ y.double(), "float64")])
def test_other_functions_follow_the_lists_too(call, expected):
    """NumPy has float16."""
    x, y = cnnkit.ones(3, 3), cnnkit.full((3, 3), 0.25)
    with cnnkit.autocast("cpu", dtype=cnnkit.float16):
        assert call(x, y).dtype.name == expected
