"""Elements selected from Tensors: by positions, by masks, where a condition holds."""

PREAMBLE = """
tensor = torch.tensor
m = tensor([[1., 2., 3.], [4., 5., 6.]], requires_grad=True)
i = tensor([[1, 2, 3], [4, 5, 6]])
v = tensor([1., 2., 3.])
s = tensor(1.5)
e = tensor([])
two = tensor([2, 0])
b = tensor([True, False, True])
def dtype(x): return str(x.dtype).rpartition('.')[2]
"""
LINES = {
    "torch.index_select(m, 1, two), i.index_select(0, tensor([1, 1, 0])), i.index_select(dim=-1, "
    "index=tensor([0])), i.index_select(0, tensor(1)), i.index_select(1, tensor([], "
    "dtype=i.dtype)).shape":
        [[[3.0, 1.0], [6.0, 4.0]], [[4, 5, 6], [4, 5, 6], [1, 2, 3]], [[1], [4]], [[4, 5, 6]], [2, 0]],
    "torch.index_select(s, 0, tensor([0])), (i > 1).index_select(1, two)":
        [1.5, [[True, False], [True, True]]],
    "i.index_select(2, two)": IndexError, "i.index_select(0, two)": IndexError,
    "torch.gather(m, 1, tensor([[2], [0]])), i.gather(0, tensor([[1, 0]])), i.gather(dim=1, "
    "index=tensor([[0, 0, 0, 1]])), torch.gather(s, 0, tensor(0))":
        [[[3.0], [4.0]], [[4, 2]], [[1, 1, 1, 2]], 1.5],
    "i.gather(1, tensor([[]], dtype=i.dtype)).shape, s.gather(0, tensor([0, 0])), v.gather(0, "
    "tensor(1))": [[1, 0], [1.5, 1.5], 2.0], "i.gather(2, tensor([[0]]))": IndexError,
    "torch.take_along_dim(i, tensor([[-1]]), 1), i.take_along_dim(tensor([5, 0])), "
    "i.take_along_dim(indices=tensor([[0], [1]]), dim=1), torch.take_along_dim(m, m.argmax(dim=1, "
    "keepdim=True), dim=1)": [[[3], [6]], [6, 1], [[1], [5]], [[3.0], [6.0]]],
    "torch.take(m, tensor([[5], [0]])), i.take(tensor([-1, 2])), i.take(tensor(3)), torch.take(s, "
    "tensor([0, 0]))": [[[6.0], [1.0]], [6, 3], 4, [1.5, 1.5]], "i.take(tensor([6]))": IndexError,
    "torch.where(v > 1, v, 0.), torch.where(v > 1, v, s), torch.where(v > 1, 1., v), "
    "torch.where(b, 1, 0), torch.where(b, 1., 0), torch.where(b[:, None], v, tensor([7.]))":
        [[0.0, 2.0, 3.0], [1.5, 2.0, 3.0], [1.0, 1.0, 1.0], [1, 0, 1], [1.0, 0.0, 1.0], [[1.0, 2.0, 3.0],
        [7.0, 7.0, 7.0], [1.0, 2.0, 3.0]]],
    "dtype(torch.where(b, 1, 0)), dtype(torch.where(b, 1., 0)), dtype(torch.where(b, two[0], "
    "0.5)), dtype(torch.where(b, i, v)), dtype(torch.where(b, v, s.double())), "
    "dtype(torch.where(b, True, two[0]))": ["int64", "float32", "float32", "float32", "float32", "int64"],
    "torch.where(b), torch.where(i > 2), v.where(b, 0), v.where(b, tensor([7., 8., 9.])), "
    "m.where(condition=b, other=0)":
        [[[0, 2]], [[0, 1, 1, 1], [2, 0, 1, 2]], [1.0, 0.0, 3.0], [1.0, 8.0, 3.0], [[1.0, 0.0, 3.0], [4.0,
        0.0, 6.0]]],
    "torch.where(v, v, v)": RuntimeError, "torch.where(b, v)": TypeError,
    "torch.masked_fill(v, b, 0), v.masked_fill(b, float('inf')) == float('inf'), i.masked_fill(b, "
    "s), v.masked_fill(mask=b, value=tensor(7)), v[:1].masked_fill(b, 0), s.masked_fill(b[0], 2), "
    "b.masked_fill(b, 0)":
        [[0.0, 2.0, 0.0], [True, False, True], [[1, 2, 1], [1, 5, 1]], [7.0, 2.0, 7.0], [0.0, 1.0, 0.0],
        2.0, [False, False, False]],
    "m.masked_fill(i > 2, 0), m.masked_fill(b[:2, None], 9), dtype(i.masked_fill(b, 2.5)), "
    "i.masked_fill(b, 2.5)":
        [[[1.0, 2.0, 0.0], [0.0, 0.0, 0.0]], [[9.0, 9.0, 9.0], [4.0, 5.0, 6.0]], "int64", [[2, 2, 2], [2,
        5, 2]]],
    "v.masked_fill(v, 0)": RuntimeError, "v.masked_fill(b, v)": RuntimeError,
    "torch.masked_select(v, b), m.masked_select(b), v.masked_select(i > 2), "
    "m.masked_select(mask=m > 9), s.masked_select(b), s.masked_select(b[0])":
        [[1.0, 3.0], [1.0, 3.0, 4.0, 6.0], [3.0, 1.0, 2.0, 3.0], [], [1.5, 1.5], [1.5]],
    "v.masked_select(v)": RuntimeError,
    "torch.nonzero(i > 2), b.nonzero(), torch.nonzero(v, as_tuple=True), i.nonzero(as_tuple=True), "
    "torch.argwhere(i > 5), e.nonzero(), torch.nonzero(s), torch.nonzero(s - s).shape, "
    "s.nonzero(as_tuple=True)":
        [[[0, 2], [1, 0], [1, 1], [1, 2]], [[0], [2]], [[0, 1, 2]], [[0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1,
        2]], [[1, 2]], [], [[]], [0, 0], [[0]]],
    "dtype(b.nonzero()), (i > 9).nonzero().shape, (i > 9).argwhere().shape": ["int64", [0, 2], [0, 2]],
    "i[i.argwhere()[:, 0], i.argwhere()[:, 1]], i[torch.nonzero(i > 2, as_tuple=True)], "
    "i[torch.where(i > 2)]": [[1, 2, 3, 4, 5, 6], [3, 4, 5, 6], [3, 4, 5, 6]],
    "m.index_select(1, tensor([2, 0, 2])).sum().backward(); m.grad": [[1.0, 0.0, 2.0], [1.0, 0.0, 2.0]],
    "(m.gather(1, tensor([[2, 2], [0, 1]])) * tensor([[1., 2.], [3., 4.]])).sum().backward(); m.grad":
        [[0.0, 0.0, 3.0], [3.0, 4.0, 0.0]],
    "m.take(tensor([0, 0, 4])).sum().backward(); m.grad": [[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
    "(torch.where(i > 2, m, 0.5) * 3).sum().backward(); m.grad": [[0.0, 0.0, 3.0], [3.0, 3.0, 3.0]],
    "(m.masked_fill(b, 9.) * m).sum().backward(); m.grad": [[9.0, 4.0, 9.0], [9.0, 10.0, 9.0]],
    "f = tensor(2., requires_grad=True); (v.masked_fill(b, f) * 3).sum().backward(); f.grad": 6.0,
    "(m.masked_select(i > 2) ** 2).sum().backward(); m.grad": [[0.0, 0.0, 6.0], [8.0, 10.0, 12.0]],
    "m.take_along_dim(tensor([[0], [1]]), 1).sum().backward(); m.grad": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
    "torch.unravel_index(tensor([1, 5]), (2, 3)), torch.unravel_index(tensor(3), (2, 3)), "
    "torch.unravel_index(tensor([[2]]), 3)": [[[0, 1], [1, 2]], [1, 0], [[[2]]]],
}
ON_NUMPY_ONLY: set[str] = {  # dtypes that JAX lacks
    "dtype(torch.where(b, 1, 0)), dtype(torch.where(b, 1., 0)), dtype(torch.where(b, two[0], 0.5)), "
    "dtype(torch.where(b, i, v)), dtype(torch.where(b, v, s.double())), dtype(torch.where(b, True, two[0]))",
    "m.masked_fill(i > 2, 0), m.masked_fill(b[:2, None], 9), dtype(i.masked_fill(b, 2.5)), "
    "i.masked_fill(b, 2.5)",
    "dtype(b.nonzero()), (i > 9).nonzero().shape, (i > 9).argwhere().shape",
}
DIFFERENT: dict = {
    "i.index_select(0, tensor([[0]]))": (ValueError, IndexError),
    "i.index_select(0, v)": (TypeError, RuntimeError),
    "i.gather(1, tensor([[3]]))": (IndexError, RuntimeError),
    "i.gather(1, tensor([[0], [0], [0]]))": (ValueError, RuntimeError),
    "i.gather(1, two)": (ValueError, RuntimeError), "i.gather(1, m)": (TypeError, RuntimeError),
    "i.take(v)": (TypeError, RuntimeError),
    "torch.where(b, v, tensor([1., 2.]))": (ValueError, RuntimeError),
    "v.masked_fill(b[:2], 0)": (ValueError, RuntimeError),
    "v.masked_select(b[:2])": (ValueError, RuntimeError),
}
