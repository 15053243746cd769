"""Views of Tensors, and changes in place by the functions that move and select elements."""

PREAMBLE = """
tensor = torch.tensor
x = tensor([[1., 2., 3.], [4., 5., 6.]])
c = tensor([[[1., 2.], [3., 4.]], [[5., 6.], [7., 8.]]])
v = tensor([3., 1., 2.])
g = tensor([3., 1., 2.], requires_grad=True)
"""
LINES = {
    "x.unfold(1, 2, 1).zero_(); x": [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    "x.diagonal().fill_(0); x": [[0.0, 2.0, 3.0], [4.0, 0.0, 6.0]],
    "torch.diagonal(c, dim1=-2, dim2=-1).fill_(0); c": [[[0.0, 2.0], [3.0, 0.0]], [[0.0, 6.0], [7.0, 0.0]]],
    "c.diagonal(0, 0, 1).zero_(); c": [[[0.0, 0.0], [3.0, 4.0]], [[5.0, 6.0], [0.0, 0.0]]],
    "x.t().diagonal().fill_(0); x": [[0.0, 2.0, 3.0], [4.0, 0.0, 6.0]],
    "x.fill_diagonal_(9); x": [[9.0, 2.0, 3.0], [4.0, 9.0, 6.0]],
    "x.repeat(3, 1).fill_diagonal_(0, wrap=True)":
        [[0.0, 2.0, 3.0], [4.0, 0.0, 6.0], [1.0, 2.0, 0.0], [4.0, 5.0, 6.0], [0.0, 2.0, 3.0], [4.0, 0.0,
        6.0]],
    "x.repeat(3, 1).fill_diagonal_(0)":
        [[0.0, 2.0, 3.0], [4.0, 0.0, 6.0], [1.0, 2.0, 0.0], [4.0, 5.0, 6.0], [1.0, 2.0, 3.0], [4.0, 5.0,
        6.0]],
    "c.fill_diagonal_(0)": [[[0.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 0.0]]],
    "v.fill_diagonal_(0)": RuntimeError, "x[None].fill_diagonal_(0)": RuntimeError,
    "x.narrow(1, 1, 2).zero_(); x": [[1.0, 0.0, 0.0], [4.0, 0.0, 0.0]],
    "x.select(0, 1).mul_(10); x": [[1.0, 2.0, 3.0], [40.0, 50.0, 60.0]],
    "for p in x.unbind(): p.add_(1)\nx": [[2.0, 3.0, 4.0], [5.0, 6.0, 7.0]],
    "a, b = x.split([1, 2], 1); b.zero_(); x": [[1.0, 0.0, 0.0], [4.0, 0.0, 0.0]],
    "x.chunk(2)[1].zero_(); x": [[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]],
    "x.movedim(0, 1)[0].zero_(); x": [[0.0, 2.0, 3.0], [0.0, 5.0, 6.0]],
    "x.squeeze().unsqueeze(0)[0].t().zero_(); x": [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    "x.flatten()[0] = 9; x": [[9.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
    "x.view(-1)[1:3] = 0; x": [[1.0, 0.0, 0.0], [4.0, 5.0, 6.0]],
    "x.unflatten(1, (3, 1)).zero_(); x": [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    "x.expand(1, 2, 3)[0, 0].zero_(); x": [[0.0, 0.0, 0.0], [4.0, 5.0, 6.0]],
    "x.swapaxes(0, 1).zero_(); x": [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    "x.T.zero_(); x": [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    "x.mT[0] = 7; x": [[7.0, 2.0, 3.0], [7.0, 5.0, 6.0]],
    "x.contiguous().zero_(); x": [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    "x.ravel().zero_(); x": [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    "torch.atleast_3d(x).zero_(); x": [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    "x.view_as(x).zero_(); x": [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    "x.reshape(3, 2)[0] = 0; x": [[0.0, 0.0, 3.0], [4.0, 5.0, 6.0]],
    "x.flip(0).zero_(); x": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
    "x.roll(0).zero_(); x": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
    "x.repeat(1, 1).zero_(); x": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
    "x.tile(1).zero_(); x": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
    "v.sort().values.zero_(); v": [3.0, 1.0, 2.0], "torch.cat([v]).zero_(); v": [3.0, 1.0, 2.0],
    "v.index_select(0, tensor([0, 1, 2])).zero_(); v": [3.0, 1.0, 2.0],
    "v.masked_fill_(v > 2, 0); v": [0.0, 1.0, 2.0], "v.scatter_(0, tensor([0]), 9.); v": [9.0, 1.0, 2.0],
    "v.index_add_(0, tensor([0, 0]), tensor([1., 2.])); v": [6.0, 1.0, 2.0],
    "v.index_fill_(0, tensor([0]), 7); v": [7.0, 1.0, 2.0],
    "v.put_(tensor([1]), tensor([5.])); v": [3.0, 5.0, 2.0],
    "v.masked_scatter_(v > 1, tensor([8., 9.])); v": [8.0, 1.0, 9.0],
    "v.index_put_((tensor([0]),), tensor([5.])); v": [5.0, 1.0, 2.0],
    "x.tril_(); x": [[1.0, 0.0, 0.0], [4.0, 5.0, 0.0]], "x.triu_(1); x": [[0.0, 2.0, 3.0], [0.0, 0.0, 6.0]],
    "v.scatter_reduce_(0, tensor([0, 0]), tensor([9., 1.]), 'amax'); v": [9.0, 1.0, 2.0],
    "v.unsqueeze_(0); v.shape": [1, 3], "x.t_(); x": [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]],
    "x.transpose_(0, 1); x": [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]], "x.squeeze_(); x.shape": [2, 3],
    "y = g * 1; y.narrow(0, 0, 2).mul_(3); y.sum().backward(); g.grad": [3.0, 3.0, 1.0],
    "y = g * 1; y.scatter_(0, tensor([0]), 9.); y.sum().backward(); g.grad": [0.0, 1.0, 1.0],
    "y = g * 1; y.unsqueeze(0).diagonal().mul_(5); y.sum().backward(); g.grad": [5.0, 1.0, 1.0],
    "x.index_copy_(0, tensor([1]), x[:1]); x": RuntimeError, "x.swapdims_(0, 1); x.shape": [3, 2],
    "x.swapaxes_(0, 1); x.shape": [3, 2], "v.sort()[0].add_(1)": [2.0, 3.0, 4.0],
}
ON_NUMPY_ONLY: set[str] = {"x.t().diagonal().fill_(0); x"}  # what shares memory is known
DIFFERENT: dict = {}
