"""Elements sorted, searched, counted and repeated."""

PREAMBLE = """
tensor = torch.tensor
x = tensor([3., 1., 2.], requires_grad=True)
m = tensor([[3, 1, 2], [1, 1, 0]])
b = tensor([True, False, True])
s = tensor(1.5)
e = tensor([])
nan = tensor([2., float('nan'), 1.])
def dtype(t): return str(t.dtype).rpartition('.')[2]
"""
LINES = {
    "torch.mode(m, 0).values, m.mode().values, m.mode(1, True).values, torch.mode(x)[0], s.mode().values":
        [[1, 1, 0], [1, 1], [[1], [1]], 1.0, 1.5],
    "v = m.mode(1); m.gather(1, v.indices.unsqueeze(1))": [[1], [1]],
    "torch.mode(x).values.backward(); x.grad": [0.0, 1.0, 0.0], "torch.mode(e)": IndexError,
    "torch.sort(x), x.sort(), x.sort(descending=True), m.sort(0), m.sort(dim=1, descending=True, "
    "stable=True), torch.sort(m, stable=True)":
        [[[1.0, 2.0, 3.0], [1, 2, 0]], [[1.0, 2.0, 3.0], [1, 2, 0]], [[3.0, 2.0, 1.0], [0, 2, 1]], [[[1, 1,
        0], [3, 1, 2]], [[1, 0, 1], [0, 1, 0]]], [[[3, 2, 1], [1, 1, 0]], [[0, 2, 1], [0, 1, 2]]], [[[1, 2,
        3], [0, 1, 1]], [[1, 2, 0], [2, 0, 1]]]],
    "torch.sort(x).values, torch.sort(x).indices, x.sort(0, True)[0], s.sort(), e.sort(), "
    "torch.sort(b), x.sort(dim=-1)[1]":
        [[1.0, 2.0, 3.0], [1, 2, 0], [3.0, 2.0, 1.0], [1.5, 0], [[], []], [[False, True, True], [1, 0, 2]],
        [1, 2, 0]],
    "values, indices = x.sort(); indices": [1, 2, 0],
    "nan.sort()[1], nan.sort(descending=True)[1], nan.topk(1)[1], nan.topk(2, largest=False)[1]":
        [[2, 0, 1], [1, 0, 2], [1], [2, 0]],
    "x.sort(1)": IndexError,
    "torch.argsort(x), m.argsort(), m.argsort(dim=0, stable=True), m.argsort(dim=1, "
    "descending=True, stable=True), s.argsort(), e.argsort()":
        [[1, 2, 0], [[1, 2, 0], [2, 0, 1]], [[1, 0, 1], [0, 1, 0]], [[0, 2, 1], [0, 1, 2]], 0, []],
    "torch.msort(tensor([[3, 1], [2, 4]])), x.msort()": [[[2, 1], [3, 4]], [1.0, 2.0, 3.0]],
    "torch.topk(x, 2), x.topk(2, largest=False), m.topk(1, dim=0), x.topk(k=1, sorted=False), "
    "s.topk(1), x.topk(0), m[:1].topk(2, -1)":
        [[[3.0, 2.0], [0, 2]], [[1.0, 2.0], [1, 2]], [[[3, 1, 2]], [[0, 0, 0]]], [[3.0], [0]], [1.5, 0],
        [[], []], [[[3, 2]], [[0, 2]]]],
    "x.topk(4)": RuntimeError, "x.topk(1, 1)": IndexError,
    "torch.kthvalue(x, 2), m[:1].kthvalue(1), m[:1].kthvalue(2, 1, keepdim=True), s.kthvalue(1), "
    "x.kthvalue(k=3, dim=0)": [[2.0, 2], [[1], [1]], [[[2]], [[2]]], [1.5, 0], [3.0, 0]],
    "x.kthvalue(0)": RuntimeError, "x.kthvalue(4)": RuntimeError,
    "torch.unique(m), m.unique(return_counts=True), m.unique(return_inverse=True), m.unique(True, "
    "True, True), x.unique(), b.unique(), e.unique(), s.unique()":
        [[0, 1, 2, 3], [[0, 1, 2, 3], [1, 3, 1, 1]], [[0, 1, 2, 3], [[3, 1, 2], [1, 1, 0]]], [[0, 1, 2, 3],
        [[3, 1, 2], [1, 1, 0]], [1, 3, 1, 1]], [1.0, 2.0, 3.0], [False, True], [], [1.5]],
    "m.unique(dim=0), m.unique(dim=1, return_inverse=True, return_counts=True), tensor([[2, 1], "
    "[1, 5], [2, 1]]).unique(dim=0, return_counts=True), torch.unique(x, sorted=True, dim=0)":
        [[[1, 1, 0], [3, 1, 2]], [[[1, 2, 3], [1, 0, 1]], [2, 0, 1], [1, 1, 1]], [[[1, 5], [2, 1]], [1,
        2]], [1.0, 2.0, 3.0]],
    "torch.unique(m, dim=2)": IndexError, "tensor([[]]).unique(dim=0)": RuntimeError,
    "torch.unique_consecutive(tensor([1, 1, 2, 2, 1])), tensor([1, 1, "
    "2]).unique_consecutive(return_inverse=True, return_counts=True), m.unique_consecutive(dim=1), "
    "m.unique_consecutive()":
        [[1, 2, 1], [[1, 2], [0, 0, 1], [2, 1]], [[3, 1, 2], [1, 1, 0]], [3, 1, 2, 1, 0]],
    "torch.bincount(tensor([0, 2, 2])), tensor([1]).bincount(minlength=4), "
    "torch.bincount(tensor([0, 1, 1]), weights=x), torch.bincount(tensor([0, 1, 1]), tensor([1, 2, "
    "3])), tensor([], dtype=m.dtype).bincount()": [[1, 0, 2], [0, 1, 0, 0], [3.0, 3.0], [1.0, 5.0], []],
    "dtype(torch.bincount(tensor([0]))), dtype(torch.bincount(tensor([0]), tensor([1]))), "
    "dtype(torch.bincount(tensor([0]), x[:1]))": ["int64", "float64", "float32"],
    "torch.bincount(tensor([-1]))": RuntimeError, "torch.bincount(m)": RuntimeError,
    "torch.bincount(tensor([1]), x)": RuntimeError,
    "torch.histc(x, bins=3, min=1, max=4), x.detach().histc(2), torch.histc(x.detach(), 4, 0, 2), "
    "torch.histc(tensor([1., 1.]), bins=2)":
        [[1.0, 1.0, 1.0], [1.0, 2.0], [0.0, 0.0, 1.0, 1.0], [0.0, 2.0]],
    "torch.histc(x, 0)": RuntimeError, "torch.histc(x, 2, 3, 1)": RuntimeError,
    "torch.searchsorted(tensor([1, 3, 5]), tensor([3, 6, 0])), torch.searchsorted(tensor([1, 3, "
    "5]), tensor([[3], [6]]), right=True), torch.searchsorted(tensor([1, 3, 5]), 3), "
    "torch.searchsorted(tensor([1, 3, 5]), tensor(4), side='right')": [[1, 3, 0], [[2], [3]], 1, 2],
    "torch.searchsorted(tensor([[1, 3], [2, 4]]), tensor([[3], [3]])), "
    "torch.searchsorted(tensor([5, 1, 3]), tensor([3]), sorter=tensor([1, 2, 0])), "
    "torch.searchsorted(e, x), torch.searchsorted(x.sort()[0], e)": [[[1], [1]], [1], [0, 0, 0], []],
    "torch.searchsorted(tensor([1., 2.]), nan), torch.searchsorted(tensor([1., 1., 1.]), "
    "tensor([1.]), right=True), dtype(torch.searchsorted(tensor([1]), tensor([1]), out_int32=True))":
        [[1, 2, 0], [3], "int32"],
    "torch.searchsorted(tensor([1, 3]), tensor([1.]))": [0],
    "torch.searchsorted(tensor([1, 3]), 1, right=True, side='left')": RuntimeError,
    "torch.searchsorted(tensor([1, 3]), 1, side='middle')": RuntimeError,
    "torch.searchsorted(m, tensor([1]))": RuntimeError,
    "torch.bucketize(m, tensor([1, 3])), torch.bucketize(m, tensor([1, 3]), right=True), "
    "torch.bucketize(2, tensor([1, 3])), torch.bucketize(x, boundaries=tensor([2.]), "
    "out_int32=True)": [[[1, 0, 1], [0, 0, 0]], [[2, 1, 1], [1, 1, 0]], 1, [1, 0, 0]],
    "torch.bucketize(m, m)": RuntimeError,
    "torch.repeat_interleave(x, 2), m.repeat_interleave(2, dim=0), m.repeat_interleave(tensor([0, "
    "2]), 0), x.repeat_interleave(tensor([1, 0, 2])), torch.repeat_interleave(tensor([1, 0, 2])), "
    "m.repeat_interleave(2), m.repeat_interleave(repeats=2, dim=-1), "
    "m.repeat_interleave(tensor(2), 1), s.repeat_interleave(2)":
        [[3.0, 3.0, 1.0, 1.0, 2.0, 2.0], [[3, 1, 2], [3, 1, 2], [1, 1, 0], [1, 1, 0]], [[1, 1, 0], [1, 1,
        0]], [3.0, 2.0, 2.0], [0, 2, 2], [3, 3, 1, 1, 2, 2, 1, 1, 1, 1, 0, 0], [[3, 3, 1, 1, 2, 2], [1, 1,
        1, 1, 0, 0]], [[3, 3, 1, 1, 2, 2], [1, 1, 1, 1, 0, 0]], [1.5, 1.5]],
    "x.repeat_interleave(tensor([1, 2, 1]), output_size=4), x.repeat_interleave(0), "
    "x.repeat_interleave(tensor([2])), x.repeat_interleave(tensor([0, 0, 0]), dim=0)":
        [[3.0, 1.0, 1.0, 2.0], [], [3.0, 3.0, 1.0, 1.0, 2.0, 2.0], []],
    "x.repeat_interleave(-1)": RuntimeError, "x.repeat_interleave(tensor([1, 2]))": RuntimeError,
    "F.one_hot(tensor([0, 2])), F.one_hot(tensor([[1]]), num_classes=3), F.one_hot(tensor(1))":
        [[[1, 0, 0], [0, 0, 1]], [[[0, 1, 0]]], [0, 1]],
    "(x.sort(descending=True)[0] * tensor([1., 2., 3.])).sum().backward(); x.grad": [1.0, 3.0, 2.0],
    "(x.topk(2).values * tensor([1., 2.])).sum().backward(); x.grad": [1.0, 0.0, 2.0],
    "(x.kthvalue(2)[0] * 5).backward(); x.grad": [0.0, 0.0, 5.0],
    "(torch.msort(x) * tensor([1., 2., 3.])).sum().backward(); x.grad": [3.0, 1.0, 2.0],
    "(x.repeat_interleave(tensor([1, 0, 2])) * tensor([1., 2., 3.])).sum().backward(); x.grad":
        [1.0, 0.0, 5.0],
    "(x.repeat_interleave(2) * tensor([1., 2., 3., 4., 5., 6.])).sum().backward(); x.grad":
        [3.0, 7.0, 11.0],
    "x.sort()[1].requires_grad, x.argsort().requires_grad, torch.histc(x.detach(), 2, 0, "
    "4).requires_grad": [False, False, False],
    "torch.isin(m, tensor([1, 3])), torch.isin(m, 2), torch.isin(2, m), torch.isin(x, x[:0]), "
    "torch.isin(m, tensor([1]), invert=True), torch.isin(nan, nan)":
        [[[True, True, False], [True, True, False]], [[False, False, True], [False, False, False]], True,
        [False, False, False], [[True, False, True], [False, False, True]], [True, False, True]],
    "torch.isin(1, 2)": TypeError,
}
ON_NUMPY_ONLY: set[str] = {  # dtypes that JAX lacks
    "dtype(torch.bincount(tensor([0]))), dtype(torch.bincount(tensor([0]), tensor([1]))), "
    "dtype(torch.bincount(tensor([0]), x[:1]))",
    "torch.bincount(tensor([0, 2, 2])), tensor([1]).bincount(minlength=4), torch.bincount(tensor([0, 1, 1]), "
    "weights=x), torch.bincount(tensor([0, 1, 1]), tensor([1, 2, 3])), tensor([], "
    "dtype=m.dtype).bincount()",
}
DIFFERENT: dict = {}
