"""Norms and distances, and torch.linalg."""

PREAMBLE = """
tensor = torch.tensor
inf = float('inf')
m = tensor([[3., -4.], [0., 12.]], requires_grad=True)
v = tensor([3., -4.], requires_grad=True)
z = tensor([0., 0.], requires_grad=True)
i = tensor([3, 4])
s = tensor(-2.)
e = tensor([])
def near(x): return [near(y) for y in x] if isinstance(x, list) else round(x, 3) + 0.0
def of(*xs): return near([x.tolist() for x in xs])
"""
LINES = {
    "of(torch.norm(v), v.norm(), m.norm(), v.norm(1), v.norm(p=3), m.norm(dim=0), m.norm(2, 1), "
    "m.norm('fro', (0, 1)), m.norm(dim=1, keepdim=True), s.norm(), e.norm())":
        [5.0, 5.0, 13.0, 7.0, 4.498, [3.0, 12.649], [5.0, 12.0], 13.0, [[5.0], [12.0]], 2.0, 0.0],
    "of(v.norm(inf), v.norm(-inf), v.norm(0), m.norm(inf, dim=1), m.norm(0, dim=0), v.norm(0.5), "
    "m.norm(p=-1, dim=0))": [4.0, 3.0, 2.0, [4.0, 12.0], [1.0, 2.0], 13.928, [0.0, 3.0]],
    "v.norm(2, 1)": IndexError,
    "of(torch.linalg.norm(v), torch.linalg.norm(m), torch.linalg.norm(m, 1), torch.linalg.norm(m, "
    "inf), torch.linalg.norm(m, 'fro'), torch.linalg.norm(v, 3), torch.linalg.norm(m, 2, dim=0))":
        [5.0, 13.0, 16.0, 12.0, 13.0, 4.498, [3.0, 12.649]],
    "of(torch.linalg.vector_norm(m), torch.linalg.vector_norm(m, 1, dim=0), "
    "torch.linalg.vector_norm(m, inf, dim=-1, keepdim=True))": [13.0, [3.0, 16.0], [[4.0], [12.0]]],
    "of(torch.linalg.matrix_norm(m), torch.linalg.matrix_norm(m, 1), torch.linalg.matrix_norm(m, "
    "-1), torch.linalg.matrix_norm(m, -inf), torch.linalg.matrix_norm(m[None], inf, keepdim=True))":
        [13.0, 16.0, 3.0, 7.0, [[[12.0]]]],
    "torch.linalg.norm(m[None], 1)": RuntimeError, "torch.linalg.matrix_norm(v)": RuntimeError,
    "of(torch.linalg.cross(tensor([1., 0., 0.]), tensor([0., 1., 0.])), "
    "torch.linalg.diagonal(m[None]), torch.linalg.matmul(m, v), torch.linalg.vecdot(m, v), "
    "torch.linalg.multi_dot([v, m, v]), torch.linalg.matrix_power(m, 3), "
    "torch.linalg.matrix_power(m, 0))":
        [[0.0, 0.0, 1.0], [[3.0, 12.0]], [25.0, -48.0], [25.0, -48.0], 267.0, [[27.0, -756.0], [0.0,
        1728.0]], [[1.0, 0.0], [0.0, 1.0]]],
    "torch.linalg.matrix_power(v, 2)": RuntimeError, "torch.linalg.multi_dot([m])": RuntimeError,
    "of(torch.dist(v, z), v.dist(z, 1), torch.cdist(m, m), torch.cdist(m, m, p=1), torch.cdist(m, "
    "m, p=inf), torch.cdist(m[None], m, 0), torch.cdist(m, v[None], 1.5), F.pdist(m), "
    "torch.pdist(m, 1), torch.cdist(m[:0], m), torch.cdist(m[:, :0], m[:, :0]))":
        [5.0, 7.0, [[0.0, 16.279], [16.279, 0.0]], [[0.0, 19.0], [19.0, 0.0]], [[0.0, 16.0], [16.0, 0.0]],
        [[[0.0, 2.0], [2.0, 0.0]]], [[0.0], [16.855]], [16.279], [19.0], [], [[0.0, 0.0], [0.0, 0.0]]],
    "torch.cdist(m, v)": RuntimeError, "torch.cdist(m, m[:, :1])": RuntimeError,
    "torch.cdist(m, m, p=-1)": RuntimeError, "torch.pdist(v)": RuntimeError,
    "v.norm().backward(); of(v.grad)": [[0.6, -0.8]],
    "m.norm(dim=0).sum().backward(); of(m.grad)": [[[1.0, -0.316], [0.0, 0.949]]],
    "z.norm().backward(); of(z.grad)": [[0.0, 0.0]], "z.norm(3).backward(); of(z.grad)": [[0.0, 0.0]],
    "m.norm(1).backward(); of(m.grad)": [[[1.0, -1.0], [0.0, 1.0]]],
    "tensor_ = tensor([2., -2., 1.], "
    "requires_grad=True); tensor_.norm(inf).backward(); of(tensor_.grad)": [[0.5, -0.5, 0.0]],
    "torch.cdist(m, m).sum().backward(); of(m.grad)": [[[0.369, -1.966], [-0.369, 1.966]]],
    "torch.cdist(m, m, p=1.5).sum().backward(); of(m.grad)": [[[0.844, -1.949], [-0.844, 1.949]]],
    "torch.linalg.matrix_norm(m, 1).backward(); of(m.grad)": [[[0.0, -1.0], [0.0, 1.0]]],
    "(torch.linalg.vecdot(m, v) * v).sum().backward(); of(m.grad, v.grad)":
        [[[9.0, -12.0], [-12.0, 16.0]], [34.0, -108.0]],
    "torch.linalg.matrix_power(m, 3).sum().backward(); of(m.grad)": [[[-45.0, 189.0], [25.0, 324.0]]],
    "of(torch.renorm(m, 2, 0, 6.), m.renorm(1, 1, 2.), torch.matrix_power(m, 2), "
    "m.matrix_power(1), torch.matrix_power(m[None], 0))":
        [[[3.0, -4.0], [0.0, 6.0]], [[2.0, -0.5], [0.0, 1.5]], [[9.0, -60.0], [0.0, 144.0]], [[3.0, -4.0],
        [0.0, 12.0]], [[[1.0, 0.0], [0.0, 1.0]]]],
    "v.renorm(2, 0, 1.)": RuntimeError,
    "m.renorm(2, 1, 5.).sum().backward(); of(m.grad)": [[[1.0, 0.474], [1.0, 0.158]]],
}
ON_NUMPY_ONLY: set[str] = set()
DIFFERENT: dict = {
    "i.norm()": (TypeError, RuntimeError), "torch.linalg.vector_norm(i)": (TypeError, RuntimeError),
}
