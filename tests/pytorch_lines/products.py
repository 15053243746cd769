"""Products of matrices and vectors, einsum and tensordot."""

PREAMBLE = """
tensor = torch.tensor
a = tensor([[1., 2.], [3., 4.]], requires_grad=True)
c = tensor([[1., 0., 2.], [0., 3., 1.]], requires_grad=True)
v = tensor([1., 2.], requires_grad=True)
w = tensor([1., 2., 3.])
i = tensor([[1, 2], [3, 4]])
s = tensor(2.)
batch = tensor([[[1., 2.], [3., 4.]], [[0., 1.], [1., 0.]]], requires_grad=True)
nan = tensor(float('nan'))
def grads(): return [None if p.grad is None else p.grad.tolist() for p in (a, c, v, batch)]
"""
LINES = {
    "torch.matmul(a, c), a.matmul(v), torch.matmul(v, v), batch.matmul(c), torch.matmul(i, i), "
    "a @ c, torch.matmul(input=v, other=c)":
        [[[1.0, 6.0, 4.0], [3.0, 12.0, 10.0]], [5.0, 11.0], 5.0, [[[1.0, 6.0, 4.0], [3.0, 12.0, 10.0]],
        [[0.0, 3.0, 1.0], [1.0, 0.0, 2.0]]], [[7, 10], [15, 22]], [[1.0, 6.0, 4.0], [3.0, 12.0, 10.0]],
        [1.0, 6.0, 4.0]],
    "torch.mm(a, c), a.mm(c), i.mm(mat2=i), torch.bmm(batch, batch), batch.bmm(mat2=batch), "
    "torch.mv(a, v), a.mv(vec=v), i.mv(i[0])":
        [[[1.0, 6.0, 4.0], [3.0, 12.0, 10.0]], [[1.0, 6.0, 4.0], [3.0, 12.0, 10.0]], [[7, 10], [15, 22]],
        [[[7.0, 10.0], [15.0, 22.0]], [[1.0, 0.0], [0.0, 1.0]]], [[[7.0, 10.0], [15.0, 22.0]], [[1.0, 0.0],
        [0.0, 1.0]]], [5.0, 11.0], [5.0, 11.0], [5, 11]],
    "torch.mm(a, v)": RuntimeError, "torch.mm(a, i)": RuntimeError, "torch.bmm(a, a)": RuntimeError,
    "torch.dot(v, v), v.dot(v), i[0].dot(i[1]), torch.vdot(v, v), w.dot(tensor=w), "
    "torch.dot(w[:0], w[:0])": [5.0, 5.0, 11, 5.0, 14.0, 0.0], "torch.dot(a, v)": RuntimeError,
    "torch.inner(a, v), v.inner(v), torch.inner(a, batch), torch.inner(s, a), c.inner(w)":
        [[5.0, 11.0], 5.0, [[[5.0, 11.0], [2.0, 1.0]], [[11.0, 25.0], [4.0, 3.0]]], [[2.0, 4.0], [6.0,
        8.0]], [7.0, 9.0]],
    "torch.outer(v, w), v.outer(vec2=w), torch.ger(v, w), i[0].outer(i[1])":
        [[[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]], [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]], [[1.0, 2.0, 3.0], [2.0,
        4.0, 6.0]], [[3, 4], [6, 8]]],
    "torch.outer(a, v)": RuntimeError,
    "torch.chain_matmul(a, a, c)": [[7.0, 30.0, 24.0], [15.0, 66.0, 52.0]],
    "torch.addmm(s, a, c), c.addmm(a, c, beta=2, alpha=3), torch.addmm(nan, a, c, beta=0), "
    "i.addmm(i, i), torch.addmm(w, a, c), torch.addmv(v, a, v), v.addmv(a, v, beta=0.5)":
        [[[3.0, 8.0, 6.0], [5.0, 14.0, 12.0]], [[5.0, 18.0, 16.0], [9.0, 42.0, 32.0]], [[1.0, 6.0, 4.0],
        [3.0, 12.0, 10.0]], [[8, 12], [18, 26]], [[2.0, 8.0, 7.0], [4.0, 14.0, 13.0]], [6.0, 13.0], [5.5,
        12.0]],
    "torch.addmm(s, a, w)": RuntimeError,
    "torch.addr(s, v, w), c.addr(v, w, alpha=2), torch.baddbmm(batch, batch, batch), "
    "a.baddbmm(batch, batch, beta=0), torch.addbmm(a, batch, batch), a.addbmm(batch, batch, "
    "beta=2, alpha=0.5)":
        [[[3.0, 4.0, 5.0], [4.0, 6.0, 8.0]], [[3.0, 4.0, 8.0], [4.0, 11.0, 13.0]], [[[8.0, 12.0], [18.0,
        26.0]], [[1.0, 1.0], [1.0, 1.0]]], [[[7.0, 10.0], [15.0, 22.0]], [[1.0, 0.0], [0.0, 1.0]]], [[9.0,
        12.0], [18.0, 27.0]], [[6.0, 9.0], [13.5, 19.5]]],
    "torch.tensordot(a, c, 1), torch.tensordot(a, batch, dims=([1], [0])), torch.tensordot(a, a, "
    "2), torch.tensordot(v, w, 0), torch.tensordot(batch, batch, ([0, 2], [1, 0]))":
        [[[1.0, 6.0, 4.0], [3.0, 12.0, 10.0]], [[[1.0, 4.0], [5.0, 4.0]], [[3.0, 10.0], [13.0, 12.0]]],
        30.0, [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]], [[2.0, 4.0], [6.0, 14.0]]],
    "torch.tensordot(a, w, 1)": RuntimeError, "torch.tensordot(a, a, ([0], [0, 1]))": RuntimeError,
    "torch.kron(v, w), torch.kron(i, i[0]), i.kron(tensor([[1], [10]])), torch.kron(s, v)":
        [[1.0, 2.0, 3.0, 2.0, 4.0, 6.0], [[1, 2, 2, 4], [3, 6, 4, 8]], [[1, 2], [10, 20], [3, 4], [30,
        40]], [2.0, 4.0]],
    "torch.cross(w, tensor([0., 1., 0.])), torch.cross(c, c[[1, 0]]), c.cross(w.expand(2, 3), dim=1)":
        [[-3.0, 0.0, 1.0], [[-6.0, -1.0, 3.0], [6.0, 1.0, -3.0]], [[-4.0, -1.0, 2.0], [7.0, 1.0, -3.0]]],
    "torch.cross(v, v)": RuntimeError, "torch.cross(w, w, dim=1)": IndexError,
    "torch.einsum('ij,jk->ik', a, c), torch.einsum('ij,jk', a, c), torch.einsum('ij->ji', c), "
    "torch.einsum('ii', a), torch.einsum('ii->i', a), torch.einsum('ij->', a), "
    "torch.einsum('i,j->ij', v, w)":
        [[[1.0, 6.0, 4.0], [3.0, 12.0, 10.0]], [[1.0, 6.0, 4.0], [3.0, 12.0, 10.0]], [[1.0, 0.0], [0.0,
        3.0], [2.0, 1.0]], 5.0, [1.0, 4.0], 10.0, [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]]],
    "torch.einsum('bij,bjk->bik', batch, batch), torch.einsum('...ij,...jk->...ik', batch, c), "
    "torch.einsum('...i->...', batch), torch.einsum('i...->...', batch), torch.einsum('...', v)":
        [[[[7.0, 10.0], [15.0, 22.0]], [[1.0, 0.0], [0.0, 1.0]]], [[[1.0, 6.0, 4.0], [3.0, 12.0, 10.0]],
        [[0.0, 3.0, 1.0], [1.0, 0.0, 2.0]]], [[3.0, 7.0], [1.0, 1.0]], [[1.0, 3.0], [4.0, 4.0]], [1.0,
        2.0]],
    "torch.einsum('ij,jk,k->i', a, c, w), torch.einsum('bij,b,j->i', batch, v, v), "
    "torch.einsum('bii->b', batch), torch.einsum('ba', c), torch.einsum(' i j , j k -> k i ', a, c)":
        [[25.0, 57.0], [9.0, 13.0], [5.0, 0.0], [[1.0, 0.0], [0.0, 3.0], [2.0, 1.0]], [[1.0, 3.0], [6.0,
        12.0], [4.0, 10.0]]],
    "torch.einsum('ij,jk->ik', [a, c]), torch.einsum(a, [0, 1], c, [1, 2], [0, 2]), "
    "torch.einsum(a, [0, 0]), torch.einsum(batch, [..., 0], v, [0], [...]), "
    "torch.einsum('ij,ij->ij', a, a), torch.einsum('Ab,bC', a, c)":
        [[[1.0, 6.0, 4.0], [3.0, 12.0, 10.0]], [[1.0, 6.0, 4.0], [3.0, 12.0, 10.0]], 5.0, [[5.0, 11.0],
        [2.0, 1.0]], [[1.0, 4.0], [9.0, 16.0]], [[1.0, 6.0, 4.0], [3.0, 12.0, 10.0]]],
    "torch.einsum('ij,ij->i', a, v[:1, None]), torch.einsum('ij,ij->ij', tensor([[1.], [2.]]), a), "
    "torch.einsum(',i->i', s, v), torch.einsum(',', s, s), torch.einsum('...a,...b->...ab', v, "
    "batch), torch.einsum('ij,kj->ik', i, i)":
        [[3.0, 7.0], [[1.0, 2.0], [6.0, 8.0]], [2.0, 4.0], 4.0, [[[[1.0, 2.0], [2.0, 4.0]], [[3.0, 4.0],
        [6.0, 8.0]]], [[[0.0, 1.0], [0.0, 2.0]], [[1.0, 0.0], [2.0, 0.0]]]], [[5, 11], [11, 25]]],
    "torch.einsum('ij,jk->ik', a[:0], c).shape, torch.einsum('ij,jk->ik', a[:, :0], c[:0]), "
    "torch.einsum('iij->ij', batch), torch.einsum('iii->', batch), torch.einsum('...ii->...i', "
    "batch)":
        [[0, 3], [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], [[1.0, 2.0], [1.0, 0.0]], 1.0, [[1.0, 4.0], [0.0,
        0.0]]],
    "torch.einsum('ij,jk', a, w)": RuntimeError, "torch.einsum('ij->ik', a)": RuntimeError,
    "torch.einsum('ij->ii', a)": RuntimeError, "torch.einsum('ij,jk', a)": RuntimeError,
    "torch.einsum('i1->i', a)": RuntimeError, "torch.einsum('ijk', a)": RuntimeError,
    "torch.einsum('ij,jk', a, w[:, None])": RuntimeError, "torch.einsum('ii->i', c)": RuntimeError,
    "torch.einsum('ij')": ValueError,
    "(torch.mm(a, c) * 2).sum().backward(); grads()":
        [[[6.0, 8.0], [6.0, 8.0]], [[8.0, 8.0, 8.0], [12.0, 12.0, 12.0]], None, None],
    "(torch.addmm(w, a, c, alpha=2)).sum().backward(); grads()":
        [[[6.0, 8.0], [6.0, 8.0]], [[8.0, 8.0, 8.0], [12.0, 12.0, 12.0]], None, None],
    "(torch.einsum('bij,jk,i->bk', batch, c, v)).sum().backward(); grads()":
        [None, [[9.0, 9.0, 9.0], [11.0, 11.0, 11.0]], [15.0, 28.0], [[[3.0, 4.0], [6.0, 8.0]], [[3.0, 4.0],
        [6.0, 8.0]]]],
    "(torch.einsum('ii->i', a) * v).sum().backward(); grads()":
        [[[1.0, 0.0], [0.0, 2.0]], None, [1.0, 4.0], None],
    "(torch.einsum('ij,ij->ij', v[:, None], a)).sum().backward(); grads()":
        [[[1.0, 1.0], [2.0, 2.0]], None, [3.0, 7.0], None],
    "(torch.tensordot(a, batch, 2)).sum().backward(); grads()":
        [[[3.0, 7.0], [1.0, 1.0]], None, None, [[[1.0, 1.0], [2.0, 2.0]], [[3.0, 3.0], [4.0, 4.0]]]],
    "(torch.outer(v, w) * c).sum().backward(); grads()":
        [None, [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]], [7.0, 9.0], None],
    "(torch.kron(v, a)).sum().backward(); grads()": [[[3.0, 3.0], [3.0, 3.0]], None, [10.0, 10.0], None],
    "torch.cross(c, w.expand(2, 3), dim=1).sum().backward(); grads()":
        [None, [[-1.0, 2.0, -1.0], [-1.0, 2.0, -1.0]], None, None],
    "torch.inner(a, v).sum().backward(); grads()": [[[1.0, 2.0], [1.0, 2.0]], None, [4.0, 6.0], None],
    "torch.baddbmm(a, batch, batch, beta=2).sum().backward(); grads()":
        [[[4.0, 4.0], [4.0, 4.0]], None, None, [[[7.0, 11.0], [9.0, 13.0]], [[2.0, 2.0], [2.0, 2.0]]]],
}
ON_NUMPY_ONLY: set[str] = set()
DIFFERENT: dict = {
    "torch.mm(c, a)": (ValueError, RuntimeError), "torch.mv(a, w)": (ValueError, RuntimeError),
    "torch.dot(v, w)": (ValueError, RuntimeError), "torch.inner(a, w)": (ValueError, RuntimeError),
    "torch.addmm(w[:2], a, c)": (ValueError, RuntimeError),
}
