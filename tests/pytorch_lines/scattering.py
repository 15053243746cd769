"""Elements put or added at positions: the scatter and index families."""

PREAMBLE = """
tensor = torch.tensor
z = tensor([[1., 2., 3.], [4., 5., 6.]], requires_grad=True)
src = tensor([[10., 20., 30.], [40., 50., 60.]], requires_grad=True)
x = tensor([1., 2., 3.], requires_grad=True)
y = tensor([10., 20., 20.], requires_grad=True)
n = tensor([1, 2, 3])
two = tensor([2, 0])
same = tensor([0, 0, 0])
part = tensor([[2, 0], [1, 1]])
s = tensor(1.5)
b = tensor([True, False, True])
def grads(): return [None if p.grad is None else p.grad.tolist() for p in (z, src, x, y)]
"""
LINES = {
    "torch.scatter(z, 1, tensor([[2, 0], [1, 0]]), src), z.scatter(1, tensor([[2]]), src), "
    "x.scatter(0, two, 7.), x.scatter(dim=0, index=two, value=7)":
        [[[20.0, 2.0, 10.0], [50.0, 40.0, 6.0]], [[1.0, 2.0, 10.0], [4.0, 5.0, 6.0]], [7.0, 2.0, 7.0],
        [7.0, 2.0, 7.0]],
    "x.scatter(0, two, y[:2]), n.scatter(0, two, tensor([7, 8, 9])), z.scatter(-1, tensor([[0], "
    "[1]]), 0.), s.scatter(0, tensor(0), 2.), b.scatter(0, two, False)":
        [[20.0, 2.0, 10.0], [8, 2, 7], [[0.0, 2.0, 3.0], [4.0, 0.0, 6.0]], 2.0, [False, False, False]],
    "x.scatter(0, two, y, reduce='add'), x.scatter(0, two, 2., reduce='multiply'), "
    "torch.scatter(n, 0, same, 5, reduce='add')": [[21.0, 2.0, 13.0], [2.0, 2.0, 6.0], [16, 2, 3]],
    "x.scatter(0, tensor([], dtype=n.dtype), y), z.scatter(1, tensor([[], []], dtype=n.dtype), 1.)":
        [[1.0, 2.0, 3.0], [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]],
    "x.scatter(0, two, n)": RuntimeError, "x.scatter(1, two, y)": IndexError,
    "x.scatter(0, two, y, reduce='max')": RuntimeError,
    "torch.scatter_add(x, 0, same, y), z.scatter_add(1, part, src), z.scatter_add(0, tensor([[0, "
    "1, 0], [0, 1, 1]]), src), n.scatter_add(0, same, n)":
        [[51.0, 2.0, 3.0], [[21.0, 2.0, 13.0], [4.0, 95.0, 6.0]], [[51.0, 2.0, 33.0], [4.0, 75.0, 66.0]],
        [7, 2, 3]],
    "x.scatter_add(0, same, 1.)": TypeError,
    "x.scatter_reduce(0, same, y, 'sum'), x.scatter_reduce(0, same, y, reduce='prod'), "
    "torch.scatter_reduce(x, 0, same, y, 'mean'), x.scatter_reduce(0, same, y, 'amax'), "
    "x.scatter_reduce(0, same, y, 'amin')":
        [[51.0, 2.0, 3.0], [4000.0, 2.0, 3.0], [12.75, 2.0, 3.0], [20.0, 2.0, 3.0], [1.0, 2.0, 3.0]],
    "[x.scatter_reduce(0, same, y, r, include_self=False) for r in ('sum', 'prod', 'mean', 'amax', "
    "'amin')]":
        [[50.0, 2.0, 3.0], [4000.0, 2.0, 3.0], [16.66666603088379, 2.0, 3.0], [20.0, 2.0, 3.0], [10.0, 2.0,
        3.0]],
    "[n.scatter_reduce(0, two, n[:2], r) for r in ('sum', 'prod', 'mean', 'amax', 'amin')]":
        [[3, 2, 4], [2, 2, 3], [1, 2, 2], [2, 2, 3], [1, 2, 1]],
    "[n.scatter_reduce(0, same, n, r, include_self=False) for r in ('sum', 'prod', 'mean', 'amax', "
    "'amin')]": [[6, 2, 3], [6, 2, 3], [2, 2, 3], [3, 2, 3], [1, 2, 3]],
    "[z.scatter_reduce(1, part, src, r)[1, 1].item() for r in ('sum', 'prod', 'mean', 'amax', "
    "'amin')]": [95.0, 10000.0, 31.66666603088379, 50.0, 5.0],
    "x.scatter_reduce(0, same, y * float('nan'), 'amax')[1:], str(x.scatter_reduce(0, same, "
    "y * float('nan'), 'amin')[0].item()), x.scatter_reduce(0, same, -y / 0, 'amin') < -9e9":
        [[2.0, 3.0], "nan", [True, False, False]],
    "x.scatter_reduce(0, same, y, 'median')": RuntimeError,
    "torch.index_add(z, 1, two, src[:, :2]), z.index_add(0, tensor([0, 0]), src), x.index_add(0, "
    "same, y, alpha=2), n.index_add(dim=0, index=two, source=n[1:])":
        [[[21.0, 2.0, 13.0], [54.0, 5.0, 46.0]], [[51.0, 72.0, 93.0], [4.0, 5.0, 6.0]], [101.0, 2.0, 3.0],
        [4, 2, 5]],
    "x.index_add(0, tensor([3]), y[:1])": IndexError, "x.index_add(0, two, n[:2])": RuntimeError,
    "torch.index_copy(z, 1, two, src[:, :2]), x.index_copy(0, two, y[:2]), n.index_copy(dim=0, "
    "index=tensor([1]), source=n[2:]), z.index_copy(-2, tensor([1]), src[:1])":
        [[[20.0, 2.0, 10.0], [50.0, 5.0, 40.0]], [20.0, 2.0, 10.0], [1, 3, 3], [[1.0, 2.0, 3.0], [10.0,
        20.0, 30.0]]],
    "x.index_copy(0, tensor([5]), y[:1])": IndexError,
    "torch.index_fill(z, 1, two, 0), x.index_fill(0, two, s), n.index_fill(0, tensor([1]), 7), "
    "z.index_fill(dim=0, index=tensor([0]), value=-1.), b.index_fill(0, two, False), "
    "x.index_fill(0, tensor(1), 9)":
        [[[0.0, 2.0, 0.0], [0.0, 5.0, 0.0]], [1.5, 2.0, 1.5], [1, 7, 3], [[-1.0, -1.0, -1.0], [4.0, 5.0,
        6.0]], [False, False, False], [1.0, 9.0, 3.0]],
    "x.index_fill(0, tensor([3]), 0)": IndexError, "x.index_fill(0, two, y)": RuntimeError,
    "[x.index_reduce(0, same, y, r) for r in ('prod', 'mean', 'amax', 'amin')]":
        [[4000.0, 2.0, 3.0], [12.75, 2.0, 3.0], [20.0, 2.0, 3.0], [1.0, 2.0, 3.0]],
    "z.index_reduce(1, two, src[:, :2], 'amax', include_self=False)":
        [[20.0, 2.0, 10.0], [50.0, 5.0, 40.0]],
    "torch.index_put(x, (two,), y[:2]), z.index_put((tensor([0, 1]), two), tensor(7.)), "
    "z.index_put((z > 3,), tensor(0.)), x.index_put((same,), y, accumulate=True), "
    "z.index_put((tensor([1]),), src[0])":
        [[20.0, 2.0, 10.0], [[1.0, 2.0, 7.0], [7.0, 5.0, 6.0]], [[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]], [51.0,
        2.0, 3.0], [[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]],
    "x.index_put((two,), n[:2])": RuntimeError, "x.index_put(two, y[:2])": TypeError,
    "torch.put(z, tensor([5, 0]), y[:2]), x.put(tensor([[-1]]), y[:1]), x.put(same, y, "
    "accumulate=True), n.put(index=two, source=n[:2])":
        [[[20.0, 2.0, 3.0], [4.0, 5.0, 10.0]], [1.0, 2.0, 10.0], [51.0, 2.0, 3.0], [2, 2, 1]],
    "x.put(tensor([9]), y[:1])": IndexError,
    "torch.masked_scatter(x, b, y), z.masked_scatter(b, src), x.masked_scatter(mask=b, "
    "source=tensor([[7.], [8.], [9.]])), n.masked_scatter(n > 5, n)":
        [[10.0, 2.0, 20.0], [[10.0, 2.0, 20.0], [30.0, 5.0, 40.0]], [7.0, 2.0, 8.0], [1, 2, 3]],
    "x.masked_scatter(b, y[:1])": RuntimeError, "x.masked_scatter(b, n)": RuntimeError,
    "torch.select_scatter(z, y, 0, 1), z.select_scatter(tensor([7., 8.]), dim=1, index=-1), "
    "torch.slice_scatter(z, y[None], start=1), x.slice_scatter(y[:2], 0, 0, 3, 2), "
    "z.slice_scatter(src[:, :1], dim=1, end=1)":
        [[[1.0, 2.0, 3.0], [10.0, 20.0, 20.0]], [[1.0, 2.0, 7.0], [4.0, 5.0, 8.0]], [[1.0, 2.0, 3.0],
        [10.0, 20.0, 20.0]], [10.0, 2.0, 20.0], [[10.0, 2.0, 3.0], [40.0, 5.0, 6.0]]],
    "torch.diagonal_scatter(z, y[:2]), z.diagonal_scatter(tensor([0., 0.]), 1), "
    "z.diagonal_scatter(tensor([0.]), offset=-1)":
        [[[10.0, 2.0, 3.0], [4.0, 20.0, 6.0]], [[1.0, 0.0, 3.0], [4.0, 5.0, 0.0]], [[1.0, 2.0, 3.0], [0.0,
        5.0, 6.0]]],
    "z.select_scatter(y[:2], 0, 1)": RuntimeError, "z.diagonal_scatter(y, 0)": RuntimeError,
    "x.slice_scatter(y, start=1)": RuntimeError,
    "(z.scatter(1, part, src[:, :2]) * tensor([1., 2., 3.])).sum().backward(); z.grad":
        [[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]],
    "(x.scatter(0, two, y[:2]) * tensor([1., 2., 3.])).sum().backward(); grads()":
        [None, None, [0.0, 2.0, 0.0], [3.0, 1.0, 0.0]],
    "(z.scatter_add(1, part, src[:, :2]) * tensor([1., 2., 3.])).sum().backward(); grads()":
        [[[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]], [[3.0, 1.0, 0.0], [2.0, 2.0, 0.0]], None, None],
    "(x.scatter_reduce(0, same, y, 'prod') * tensor([1., 2., 3.])).sum().backward(); grads()":
        [None, None, [4000.0, 2.0, 3.0], [400.0, 200.0, 200.0]],
    "(x.scatter_reduce(0, same, y * 0, 'prod') * tensor([1., 2., 3.])).sum().backward(); grads()":
        [None, None, [0.0, 2.0, 3.0], [0.0, 0.0, 0.0]],
    "(x.scatter_reduce(0, same, y, 'mean') * tensor([1., 2., 3.])).sum().backward(); grads()":
        [None, None, [0.25, 2.0, 3.0], [0.25, 0.25, 0.25]],
    "(x.scatter_reduce(0, same, y, 'amax') * tensor([1., 2., 3.])).sum().backward(); grads()":
        [None, None, [0.0, 2.0, 3.0], [0.0, 0.5, 0.5]],
    "(x.scatter_reduce(0, same, y, 'amin', include_self=False) * tensor([1., 2., "
    "3.])).sum().backward(); grads()": [None, None, [0.0, 2.0, 3.0], [1.0, 0.0, 0.0]],
    "(x.index_add(0, two, y[:2], alpha=3) * tensor([1., 2., 3.])).sum().backward(); grads()":
        [None, None, [1.0, 2.0, 3.0], [9.0, 3.0, 0.0]],
    "(x.index_copy(0, two, y[:2]) * tensor([1., 2., 3.])).sum().backward(); grads()":
        [None, None, [0.0, 2.0, 0.0], [3.0, 1.0, 0.0]],
    "(x.index_fill(0, two, 5.) * tensor([1., 2., 3.])).sum().backward(); grads()":
        [None, None, [0.0, 2.0, 0.0], None],
    "(x.index_put((two,), y[:2]) * tensor([1., 2., 3.])).sum().backward(); grads()":
        [None, None, [0.0, 2.0, 0.0], [3.0, 1.0, 0.0]],
    "(x.index_put((same,), y, accumulate=True) * tensor([1., 2., 3.])).sum().backward(); grads()":
        [None, None, [1.0, 2.0, 3.0], [1.0, 1.0, 1.0]],
    "(x.masked_scatter(b, y) * tensor([1., 2., 3.])).sum().backward(); grads()":
        [None, None, [0.0, 2.0, 0.0], [1.0, 3.0, 0.0]],
    "(z.select_scatter(y, 0, 1) * tensor([1., 2., 3.])).sum().backward(); grads()":
        [[[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]], None, None, [1.0, 2.0, 3.0]],
    "(z.slice_scatter(x[:2, None], dim=1, start=1, end=2) * tensor([1., 2., "
    "3.])).sum().backward(); grads()": [[[1.0, 0.0, 3.0], [1.0, 0.0, 3.0]], None, [2.0, 2.0, 0.0], None],
}
ON_NUMPY_ONLY: set[str] = set()
DIFFERENT: dict = {
    "x.scatter(0, tensor([3]), y)": (IndexError, RuntimeError),
    "x.scatter(0, y, y)": (TypeError, RuntimeError),
    "z.scatter(1, tensor([[0], [0], [0]]), 1.)": (ValueError, RuntimeError),
    "x.scatter(0, tensor([0, 1, 2, 0]), y)": (ValueError, RuntimeError),
    "x.scatter_add(0, tensor([0, 5, 0]), y)": (IndexError, RuntimeError),
    "x.index_add(0, two, y)": (ValueError, RuntimeError),
    "x.index_copy(0, two, y)": (ValueError, IndexError),
    "x.index_put((two,), y)": (ValueError, RuntimeError), "x.put(two, y)": (ValueError, IndexError),
}
