"""Reductions: sums, means, extremes, variances, and their gradients and dtypes."""

PREAMBLE = """
tensor, nan, inf = torch.tensor, float("nan"), float("inf")
near = lambda x: [round(v, 4) for v in x.flatten().tolist()]
def slope(function, values):
    x = torch.tensor(values, requires_grad=True)
    function(x).sum().backward()
    return x.grad
m = tensor([[1., 5., 2.], [4., 3., 4.]])
d = tensor([1., 2.])
i = tensor([[1, 2], [3, 4]])
b = tensor([[True, False], [True, True]])
s = tensor(1.5)
"""
LINES = {
    # sums and means
    "torch.sum(m), m.sum(0), m.sum(dim=(0, 1)), m.sum([1]), m.sum(-1, True), m.sum(dim=1, keepdim=True)":
        [19.0, [5.0, 8.0, 6.0], 19.0, [8.0, 11.0], [[8.0], [11.0]], [[8.0], [11.0]]],
    "m.sum(()), m.sum(dim=[])": [19.0, 19.0],
    "i.sum(), i.sum().dtype == torch.int64, i.byte().sum().dtype == torch.int64, b.sum()":
        [10, True, True, 3],
    "i.sum(dtype=torch.float32), i.sum(0, dtype=torch.float64).dtype == torch.float64": [10.0, True],
    "m.mean(), m.mean(1), m.mean((0, 1), keepdim=True), i.mean(dtype=torch.float32)":
        [3.1666667461395264, [2.6666667461395264, 3.6666667461395264], [[3.1666667461395264]], 2.5],
    "s.sum(0), s.mean(-1), s.sum(dim=0, keepdim=True)": [1.5, 1.5, 1.5], "s.sum(1)": IndexError,
    "m.sum(2)": IndexError, "m.sum(-3)": IndexError,
    "m.prod(), m.prod(0), i.prod(), i.prod(1, True), b.prod()": [480.0, [4.0, 15.0, 8.0], 24, [[2], [12]], 0],
    "torch.sum(input=d, dim=0), torch.sum(tensor([])), torch.prod(tensor([]))": [3.0, 0.0, 1.0],
    "slope(lambda x: x.prod(), [2., 3., 4.])": [12.0, 8.0, 6.0],
    "slope(lambda x: x.prod(), [2., 0., 4.])": [0.0, 8.0, 0.0],
    "slope(lambda x: x.prod(0), [[2., 0.], [0., 0.]])": [[0.0, 0.0], [2.0, 0.0]],
    "m.cumsum(0), m.cumsum(-1), i.cumsum(1), m.cumprod(1), b.cumsum(1), s.cumsum(0)":
        [[[1.0, 5.0, 2.0], [5.0, 8.0, 6.0]], [[1.0, 6.0, 8.0], [4.0, 7.0, 11.0]], [[1, 3], [3, 7]], [[1.0,
         5.0, 10.0], [4.0, 12.0, 48.0]], [[1, 1], [1, 2]], 1.5],
    "m.cumsum(2)": IndexError, "slope(lambda x: x.cumsum(0), [1., 2., 3.])": [3.0, 2.0, 1.0],
    "slope(lambda x: x.cumprod(0), [2., 0., 3.])": [1.0, 8.0, 0.0],
    "torch.nansum(tensor([1., nan])), torch.nanmean(tensor([1., nan, 3.])), torch.nansum(i)": [1.0, 2.0, 10],
    "slope(torch.nansum, [1., nan])": [1.0, 0.0],
    "near(torch.logsumexp(m, 1)), near(m.logsumexp((0, 1), keepdim=True)), "
    "torch.logsumexp(tensor([-inf, -inf]), 0), near(torch.logsumexp(tensor([1000., 1000.]), 0))":
        [[5.0659, 4.862], [5.6623], -float("inf"), [1000.6932]],
    "slope(lambda x: x.logsumexp(0), [2., 2.])": [0.5, 0.5],
    # truth
    "b.all(), b.all(0), b.any(1, keepdim=True), torch.all(b, dim=1), torch.any(m), m.all(), i.any(0)":
        [False, [True, False], [[True], [True]], [False, True], True, True, [True, True]],
    "b.all((0, 1)), s.all(), tensor([]).all(), tensor([]).any()": [False, True, True, False],
    "i.byte().all().dtype == torch.uint8, i.all().dtype == torch.bool": [True, True],
    "torch.count_nonzero(b), b.count_nonzero(0), torch.count_nonzero(m, dim=(0, 1))": [3, [2, 1], 6],
    # extremes
    "m.max(), m.min(), i.max(), b.max(), b.min()": [5.0, 1.0, 4, True, False],
    "m.max(1), m.max(dim=0, keepdim=True), i.min(1), b.max(0), torch.min(m, -1)":
        [[[5.0, 4.0], [1, 0]], [[[4.0, 5.0, 4.0]], [[1, 0, 1]]], [[1, 3], [0, 0]], [[True, True], [0, 1]],
         [[1.0, 3.0], [0, 1]]],
    "values, indices = m.max(1); (values, indices)": [[5.0, 4.0], [1, 0]],
    "m.max(1).values, m.max(1).indices, m.max(1)[0]": [[5.0, 4.0], [1, 0], [5.0, 4.0]],
    "torch.max(d, tensor([0., 5.])), d.min(tensor([0., 5.])), torch.max(d, other=d)":
        [[1.0, 5.0], [0.0, 2.0], [1.0, 2.0]],
    "m.amax(), m.amax(1), torch.amax(m, (0, 1)), m.amin(0, keepdim=True), torch.amin(m, dim=1)":
        [5.0, [5.0, 4.0], 5.0, [[1.0, 3.0, 2.0]], [1.0, 3.0]],
    "m.argmax(), m.argmax(1), m.argmin(dim=0), torch.argmin(m, 1, keepdim=True), i.argmax(), s.argmax()":
        [1, [1, 0], [0, 1, 0], [[0], [1]], 3, 0],
    "torch.aminmax(m), m.aminmax(dim=1).max, m.aminmax(dim=0, keepdim=True).min":
        [[1.0, 5.0], [5.0, 4.0], [[1.0, 3.0, 2.0]]],
    "s.max(0), s.min(dim=-1), s.amax(0), s.argmax(0)": [[1.5, 0], [1.5, 0], 1.5, 0], "s.max(1)": IndexError,
    "m.max(2)": IndexError,
    "torch.tensor([nan, 1.]).max().isnan(), tensor([1., nan]).max(0).indices, tensor([nan, 1.]).argmin()":
        [True, 1, 0],
    "slope(lambda x: x.max(), [2., 2., 1.])": [0.5, 0.5, 0.0],
    "slope(lambda x: x.max(0).values, [2., 2., 1.])": [1.0, 0.0, 0.0],
    "slope(lambda x: x.amax(0), [2., 2., 1.])": [0.5, 0.5, 0.0],
    "slope(lambda x: x.min(), [2., 1., 1.])": [0.0, 0.5, 0.5],
    "slope(lambda x: x.min(0)[0], [2., 1., 1.])": [0.0, 1.0, 0.0],
    "m.median(), m.median(1), m.median(dim=0, keepdim=True), i.median(), s.median(0)":
        [3.0, [[2.0, 4.0], [2, 0]], [[[1.0, 3.0, 2.0]], [[0, 1, 0]]], 2, [1.5, 0]],
    "tensor([1., nan]).median().isnan(), torch.nanmedian(tensor([1., nan])), tensor([1., nan, "
    "2.]).nanmedian(0), tensor([1., nan, 2.]).median(0).indices":
        [True, 1.0, [1.0, 0], 1],
    "slope(lambda x: x.median(), [2., 2., 1.])": [0.5, 0.5, 0.0],
    "slope(lambda x: x.median(0).values, [3., 2., 1.])": [0.0, 1.0, 0.0],
    "torch.quantile(m, 0.5), m.quantile(0.25, dim=1), torch.quantile(m, tensor([0., 1.])), "
    "m.quantile(0.4, 0, True)":
        [3.5, [1.5, 3.5], [1.0, 5.0], [[2.200000047683716, 3.799999952316284, 2.799999952316284]]],
    "torch.quantile(tensor([1., 2., 4.]), 0.4, interpolation='lower'), torch.quantile(tensor([1., 2., "
    "4.]), 0.4, interpolation='nearest')":
        [1.0, 2.0],
    "torch.quantile(m, 2.)": RuntimeError,
    # variances
    "near(m.var()), near(m.var(1)), near(m.var(1, False)), near(m.var(dim=0, unbiased=True)), "
    "near(m.var(0, correction=0)), near(m.var(False))":
        [[2.1667], [4.3333, 0.3333], [2.8889, 0.2222], [4.5, 2.0, 2.0], [2.25, 1.0, 1.0], [1.8056]],
    "near(m.std()), near(m.std(1, keepdim=True)), near(torch.std(m, dim=1, correction=0))":
        [[1.472], [2.0817, 0.5774], [1.6997, 0.4714]],
    "near(torch.var_mean(m, 1)[0]), torch.var_mean(m, 1)[1], near(torch.std_mean(m)[0]), "
    "torch.std_mean(m)[1]":
        [[4.3333, 0.3333], [2.6666667461395264, 3.6666667461395264], [1.472], 3.1666667461395264],
    "tensor([1.]).var().isnan(), tensor([1.]).std(correction=0), i.float().var().shape": [True, 0.0, []],
    "i.var()": RuntimeError, "slope(lambda x: x.var(), [1., 3.])": [-2.0, 2.0],
    "slope(lambda x: x.std(correction=0), [2., 2.])": [0.0, 0.0],
}
ON_NUMPY_ONLY = {line for line in LINES if "int64" in line or "float64" in line}
DIFFERENT: dict[str, tuple] = {}
