"""Tensors joined and split: cat, stack, split, chunk, meshgrid and others."""

PREAMBLE = """
tensor = torch.tensor
v = tensor([1., 2., 3.], requires_grad=True)
w = tensor([4., 5., 6.], requires_grad=True)
m = tensor([[1, 2, 3], [4, 5, 6]])
a = tensor(range(5))
s = tensor(1.5)
e = tensor([])
c = m[None]
def dtype(x): return str(x.dtype).rpartition('.')[2]
def shapes(xs): return [tuple(x.shape) for x in xs]
"""
LINES = {
    "torch.cat([v, w]), torch.cat((v, w), 0), torch.cat([m, m], dim=1), torch.cat([m, m], -2), "
    "torch.cat([v])":
        [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [[1, 2, 3, 1, 2, 3], [4, 5, 6, 4,
        5, 6]], [[1, 2, 3], [4, 5, 6], [1, 2, 3], [4, 5, 6]], [1.0, 2.0, 3.0]],
    "torch.concat([v, w]), torch.concatenate([m, m], dim=-1), torch.cat(tensors=[v], dim=-1)":
        [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [[1, 2, 3, 1, 2, 3], [4, 5, 6, 4, 5, 6]], [1.0, 2.0, 3.0]],
    "torch.cat([e, v]), torch.cat([m, e.to(m.dtype)]), torch.cat([e, e]).shape":
        [[1.0, 2.0, 3.0], [[1, 2, 3], [4, 5, 6]], [0]],
    "dtype(torch.cat([m[0], v])), dtype(torch.cat([m > 2, m])), dtype(torch.cat([v, v.double()]))":
        ["float32", "int64", "float64"],
    "torch.cat([s, s])": RuntimeError, "torch.cat([v, w], 1)": IndexError, "torch.cat(v)": TypeError,
    "torch.cat([v, [1.]])": TypeError,
    "torch.stack([v, w]), torch.stack((v, w), 1), torch.stack([v, w], dim=-1), torch.stack([s, "
    "s]), torch.stack([m]).shape":
        [[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]], [[1.0, 4.0], [2.0, 5.0],
        [3.0, 6.0]], [1.5, 1.5], [1, 2, 3]],
    "torch.stack([v, w], 2)": IndexError,
    "torch.hstack([v, w]), torch.hstack((m, m)), torch.hstack([s, s]), torch.vstack([v, w]), "
    "torch.vstack((m, m)), torch.vstack([v, m])":
        [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [[1, 2, 3, 1, 2, 3], [4, 5, 6, 4, 5, 6]], [1.5, 1.5], [[1.0, 2.0,
        3.0], [4.0, 5.0, 6.0]], [[1, 2, 3], [4, 5, 6], [1, 2, 3], [4, 5, 6]], [[1.0, 2.0, 3.0], [1.0, 2.0,
        3.0], [4.0, 5.0, 6.0]]],
    "torch.row_stack([v, w]), torch.dstack([v, w]), torch.dstack([m, m]), torch.column_stack([v, "
    "w]), torch.column_stack((m, v[:2])), torch.column_stack([s, s])":
        [[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]], [[[1, 1], [2, 2], [3,
        3]], [[4, 4], [5, 5], [6, 6]]], [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]], [[1.0, 2.0, 3.0, 1.0], [4.0,
        5.0, 6.0, 2.0]], [[1.5, 1.5]]],
    "torch.split(a, 2), a.split(2), a.split([1, 4]), a.split(split_size=3), torch.split(m, 2, "
    "dim=1), torch.split(a, split_size_or_sections=5)":
        [[[0, 1], [2, 3], [4]], [[0, 1], [2, 3], [4]], [[0], [1, 2, 3, 4]], [[0, 1, 2], [3, 4]], [[[1, 2],
        [4, 5]], [[3], [6]]], [[0, 1, 2, 3, 4]]],
    "torch.split_with_sizes(a, [2, 3]), a.split_with_sizes([0, 5]), m.split_with_sizes((1, 2), "
    "-1), shapes(e.split(2)), shapes(e.split(0))":
        [[[0, 1], [2, 3, 4]], [[], [0, 1, 2, 3, 4]], [[[1], [4]], [[2, 3], [5, 6]]], [[0]], [[0]]],
    "a.split([1, 2])": RuntimeError, "a.split(0)": RuntimeError, "a.split(-1)": RuntimeError,
    "s.split(1)": RuntimeError, "a.split(2, 1)": IndexError,
    "torch.chunk(a, 2), a.chunk(3), a.chunk(9), m.chunk(2, dim=1), m.chunk(chunks=2, dim=-2), "
    "shapes(e.chunk(2))":
        [[[0, 1, 2], [3, 4]], [[0, 1], [2, 3], [4]], [[0], [1], [2], [3], [4]], [[[1, 2], [4, 5]], [[3],
        [6]]], [[[1, 2, 3]], [[4, 5, 6]]], [[0], [0]]],
    "a.chunk(0)": RuntimeError,
    "torch.tensor_split(a, 2), a.tensor_split(3), a.tensor_split((1, 3)), a.tensor_split([1, -1]), "
    "m.tensor_split(2, dim=1), a.tensor_split(7)":
        [[[0, 1, 2], [3, 4]], [[0, 1], [2, 3], [4]], [[0], [1, 2], [3, 4]], [[0], [1, 2, 3], [4]], [[[1,
        2], [4, 5]], [[3], [6]]], [[0], [1], [2], [3], [4], [], []]],
    "a.tensor_split(tensor([2, 4])), a.tensor_split(tensor(2)), a.tensor_split((3, 1)), "
    "a.tensor_split((9,))":
        [[[0, 1], [2, 3], [4]], [[0, 1, 2], [3, 4]], [[0, 1, 2], [], [1, 2, 3, 4]], [[0, 1, 2, 3, 4], []]],
    "a.tensor_split(0)": RuntimeError, "s.tensor_split(1)": RuntimeError,
    "torch.hsplit(m, 3), m.hsplit([1]), a.hsplit(5), torch.vsplit(m, 2), m.vsplit((1,)), "
    "torch.dsplit(c, 3), c.dsplit([2])":
        [[[[1], [4]], [[2], [5]], [[3], [6]]], [[[1], [4]], [[2, 3], [5, 6]]], [[0], [1], [2], [3], [4]],
        [[[1, 2, 3]], [[4, 5, 6]]], [[[1, 2, 3]], [[4, 5, 6]]], [[[[1], [4]]], [[[2], [5]]], [[[3], [6]]]],
        [[[[1, 2], [4, 5]]], [[[3], [6]]]]],
    "m.hsplit(2)": RuntimeError, "a.vsplit(1)": RuntimeError, "m.dsplit(1)": RuntimeError,
    "s.hsplit(1)": RuntimeError,
    "torch.unbind(m), m.unbind(1), m.unbind(dim=-1), list(m), shapes(e.unbind())":
        [[[1, 2, 3], [4, 5, 6]], [[1, 4], [2, 5], [3, 6]], [[1, 4], [2, 5], [3, 6]], [[1, 2, 3], [4, 5,
        6]], []],
    "s.unbind()": IndexError, "m.unbind(2)": IndexError,
    "torch.atleast_1d(s), torch.atleast_2d(v), torch.atleast_3d(m), torch.atleast_3d(s), "
    "torch.atleast_1d(v, s), torch.atleast_2d([v, s])":
        [[1.5], [[1.0, 2.0, 3.0]], [[[1], [2], [3]], [[4], [5], [6]]], [[[1.5]]], [[1.0, 2.0, 3.0], [1.5]],
        [[[1.0, 2.0, 3.0]], [[1.5]]]],
    "torch.block_diag(m, s), torch.block_diag(v, tensor([[7], [8]])), torch.block_diag(s).shape, "
    "torch.block_diag(e, v)":
        [[[1.0, 2.0, 3.0, 0.0], [4.0, 5.0, 6.0, 0.0], [0.0, 0.0, 0.0, 1.5]], [[1.0, 2.0, 3.0, 0.0], [0.0,
        0.0, 0.0, 7.0], [0.0, 0.0, 0.0, 8.0]], [1, 1], [[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]]],
    "torch.block_diag(c)": RuntimeError,
    "torch.cartesian_prod(a[:2], a[2:4]), torch.cartesian_prod(a), torch.cartesian_prod(a[:1], "
    "a[:2], a[:2])":
        [[[0, 2], [0, 3], [1, 2], [1, 3]], [0, 1, 2, 3, 4], [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1]]],
    "torch.cartesian_prod(m, m)": RuntimeError,
    "torch.combinations(a[:3]), torch.combinations(a[:2], with_replacement=True), "
    "torch.combinations(a, r=5), torch.combinations(a, 6).shape":
        [[[0, 1], [0, 2], [1, 2]], [[0, 0], [0, 1], [1, 1]], [[0, 1, 2, 3, 4]], [0, 6]],
    "torch.combinations(m)": RuntimeError,
    "torch.meshgrid(a[:2], a[:3]), torch.meshgrid(a[:2], a[:3], indexing='xy'), "
    "torch.meshgrid([a[:2], s.long() if hasattr(s, 'long') else s.to(dtype='int64')], "
    "indexing='ij')":
        [[[[0, 0, 0], [1, 1, 1]], [[0, 1, 2], [0, 1, 2]]], [[[0, 1], [0, 1], [0, 1]], [[0, 0], [1, 1], [2,
        2]]], [[[0], [1]], [[1], [1]]]],
    "shapes(torch.meshgrid(a, a[:2], a[:3], indexing='xy')), shapes(torch.meshgrid(a[:0], a))":
        [[[2, 5, 3], [2, 5, 3], [2, 5, 3]], [[0, 5], [0, 5]]],
    "torch.meshgrid(m, a)": RuntimeError, "torch.meshgrid(a, a, indexing='ji')": RuntimeError,
    "torch.meshgrid(a, v)": RuntimeError,
    "(torch.cat([v, w]) * tensor(range(6))).sum().backward(); (v.grad, w.grad)":
        [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]],
    "(torch.stack([v, w, v], 1) * tensor([1., 2., 3.])).sum().backward(); (v.grad, w.grad)":
        [[4.0, 4.0, 4.0], [2.0, 2.0, 2.0]],
    "x, y, z = v.unbind(); (x * y).backward(); v.grad": [2.0, 1.0, 0.0],
    "x, y = v.split([1, 2]); (x * y).sum().backward(); v.grad": [5.0, 1.0, 1.0],
    "(torch.cat([a, v]) * 2).sum().backward(); v.grad": [2.0, 2.0, 2.0],
    "torch.block_diag(v, w)[0].sum().backward(); (v.grad, w.grad)": [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]],
    "(torch.cartesian_prod(v, w)[:, 0] * 2).sum().backward(); (v.grad, w.grad)":
        [[6.0, 6.0, 6.0], [0.0, 0.0, 0.0]],
    "torch.combinations(v).sum().backward(); v.grad": [2.0, 2.0, 2.0],
    "x, y = torch.meshgrid(v, w, indexing='ij'); (x * y).sum().backward(); (v.grad, w.grad)":
        [[15.0, 15.0, 15.0], [6.0, 6.0, 6.0]],
    "(v.chunk(2)[1] * v.tensor_split(3)[0]).sum().backward(); v.grad": [3.0, 0.0, 1.0],
}
ON_NUMPY_ONLY: set[str] = {  # dtypes that JAX lacks
    "dtype(torch.cat([m[0], v])), dtype(torch.cat([m > 2, m])), dtype(torch.cat([v, v.double()]))",
}
DIFFERENT: dict = {
    "torch.cat([m, v])": (ValueError, RuntimeError),
}
