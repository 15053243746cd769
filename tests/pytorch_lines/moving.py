"""Tensors: other shapes, other orders of axes, elements put elsewhere, parts, diagonals."""

PREAMBLE = """
tensor = torch.tensor
v = tensor([1., 2., 3., 4.], requires_grad=True)
m = tensor([[1, 2, 3], [4, 5, 6]])
c = tensor([[[1., 2.], [3., 4.]], [[5., 6.], [7., 8.]]], requires_grad=True)
s = tensor(1.5)
e = tensor([[], []])
b = tensor([True, False])
"""
LINES = {
    "v.reshape(2, 2), v.reshape((2, -1)), v.reshape([4]), torch.reshape(v, (2, 2))":
        [[[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]], [1.0, 2.0, 3.0, 4.0], [[1.0, 2.0], [3.0,
        4.0]]],
    "v.reshape(shape=(2, 2)), v.view(size=(2, 2)), torch.reshape(input=v, shape=[2, 2])":
        [[[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]]],
    "v.view(2, 2), v.view(-1, 1).shape, v.view((4,)), v.view(m.size(0), -1)":
        [[[1.0, 2.0], [3.0, 4.0]], [4, 1], [1.0, 2.0, 3.0, 4.0], [[1.0, 2.0], [3.0, 4.0]]],
    "v.view_as(tensor([[0, 0], [0, 0]])), v.reshape_as(tensor([[0, 0], [0, 0]]))":
        [[[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]]],
    "v.reshape(torch.tensor(2), 2)": [[1.0, 2.0], [3.0, 4.0]],
    "m.view(torch.Size([3, 2])) if hasattr(torch, 'Size') else m.view(3, 2)": [[1, 2], [3, 4], [5, 6]],
    "s.reshape(1, 1), s.view(-1), tensor([[2.]]).reshape(()), s.reshape(())": [[[1.5]], [1.5], 2.0, 1.5],
    "e.reshape(0), e.reshape(0, 5).shape, e.view(2, 0, 3).shape": [[], [0, 5], [2, 0, 3]],
    "v.reshape('a')": TypeError, "v.reshape(2.0, 2)": TypeError, "v.view(1.5)": TypeError,
    "m.flatten(), torch.flatten(m, 0), c.flatten(1), c.flatten(start_dim=0, end_dim=1).shape, "
    "c.flatten(-2).shape":
        [[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6], [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]], [4, 2], [2,
        4]],
    "s.flatten(), e.flatten(), torch.flatten(s).shape": [[1.5], [], [1]], "m.flatten(2)": IndexError,
    "m.flatten(1, 0)": RuntimeError, "s.flatten(1)": IndexError,
    "v.unflatten(0, (2, 2)), v.unflatten(-1, (-1, 1)).shape, torch.unflatten(v, 0, [2, -1])":
        [[[1.0, 2.0], [3.0, 4.0]], [4, 1], [[1.0, 2.0], [3.0, 4.0]]],
    "v.unflatten(0, (3, -1))": RuntimeError, "v.unflatten(0, ())": RuntimeError,
    "v.unflatten(1, (2, 2))": IndexError,
    "m.ravel(), torch.ravel(s), e.ravel()": [[1, 2, 3, 4, 5, 6], [1.5], []],
    "m.permute(1, 0), m.permute((1, 0)), m.permute(dims=(1, 0)), torch.permute(m, (1, 0)), "
    "torch.permute(m, dims=[-1, 0])":
        [[[1, 4], [2, 5], [3, 6]], [[1, 4], [2, 5], [3, 6]], [[1, 4], [2, 5], [3, 6]], [[1, 4], [2, 5], [3,
        6]], [[1, 4], [2, 5], [3, 6]]],
    "c.permute(2, 0, 1).shape, s.permute(())": [[2, 2, 2], 1.5], "m.permute(0, 2)": IndexError,
    "m.transpose(0, 1), m.transpose(-1, -2), torch.transpose(m, 0, 1), m.swapaxes(0, 1), "
    "torch.swapaxes(m, axis0=0, axis1=1)":
        [[[1, 4], [2, 5], [3, 6]], [[1, 4], [2, 5], [3, 6]], [[1, 4], [2, 5], [3, 6]], [[1, 4], [2, 5], [3,
        6]], [[1, 4], [2, 5], [3, 6]]],
    "m.swapdims(dim0=0, dim1=1), torch.swapdims(m, 0, 1), s.transpose(0, -1), m.transpose(1, 1)":
        [[[1, 4], [2, 5], [3, 6]], [[1, 4], [2, 5], [3, 6]], 1.5, [[1, 2, 3], [4, 5, 6]]],
    "m.transpose(0, 2)": IndexError,
    "torch.t(m), m.t(), torch.t(s), m.T, m.mT, m.H, m.mH, torch.adjoint(m), c.adjoint()":
        [[[1, 4], [2, 5], [3, 6]], [[1, 4], [2, 5], [3, 6]], 1.5, [[1, 4], [2, 5], [3, 6]], [[1, 4], [2,
        5], [3, 6]], [[1, 4], [2, 5], [3, 6]], [[1, 4], [2, 5], [3, 6]], [[1, 4], [2, 5], [3, 6]], [[[1.0,
        3.0], [2.0, 4.0]], [[5.0, 7.0], [6.0, 8.0]]]],
    "c.t()": RuntimeError, "c.H": RuntimeError, "v.mT": RuntimeError, "v.detach().adjoint()": RuntimeError,
    "torch.movedim(c, 0, -1), c.movedim((0, 1), (1, 0)).shape, c.moveaxis(0, 2), torch.moveaxis(c, "
    "[0], [1])":
        [[[[1.0, 5.0], [2.0, 6.0]], [[3.0, 7.0], [4.0, 8.0]]], [2, 2, 2], [[[1.0, 5.0], [2.0, 6.0]], [[3.0,
        7.0], [4.0, 8.0]]], [[[1.0, 2.0], [5.0, 6.0]], [[3.0, 4.0], [7.0, 8.0]]]],
    "c.movedim((0, 0), (0, 1))": RuntimeError, "c.movedim(0, 3)": IndexError,
    "tensor([[[1.]]]).squeeze(), tensor([[[1.]]]).squeeze(0), tensor([[[1.]]]).squeeze((0, 2)), "
    "torch.squeeze(m, 1)": [1.0, [[1.0]], [1.0], [[1, 2, 3], [4, 5, 6]]],
    "torch.squeeze(tensor([[1, 2]]), dim=0), s.squeeze(), s.squeeze(0), "
    "tensor([[[1.]]]).squeeze((0, -1)).shape": [[1, 2], 1.5, 1.5, [1]], "m.squeeze(2)": IndexError,
    "m.squeeze((0, 0))": RuntimeError,
    "v.unsqueeze(0), v.unsqueeze(-1), torch.unsqueeze(s, 0), torch.unsqueeze(v, dim=1).shape, "
    "m.unsqueeze(-3).shape":
        [[[1.0, 2.0, 3.0, 4.0]], [[1.0], [2.0], [3.0], [4.0]], [1.5], [4, 1], [1, 2, 3]],
    "v.unsqueeze(2)": IndexError,
    "v.expand(2, 4), s.expand(2), v.expand(2, -1), v.expand((1, 4)), v.expand_as(c.reshape(2, 4)), "
    "s.expand(size=(2, 1))":
        [[[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]], [1.5, 1.5], [[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0,
        4.0]], [[1.0, 2.0, 3.0, 4.0]], [[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]], [[1.5], [1.5]]],
    "torch.broadcast_to(v, (2, 4)), v.broadcast_to((1, 4)), torch.broadcast_to(s, size=[2])":
        [[[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]], [[1.0, 2.0, 3.0, 4.0]], [1.5, 1.5]],
    "torch.broadcast_tensors(v, tensor([[1], [2]])), [x.shape for x in torch.broadcast_tensors(s, v)]":
        [[[[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]], [[1, 1, 1, 1], [2, 2, 2, 2]]], [[4], [4]]],
    "torch.broadcast_tensors(v, tensor([1, 2]))": RuntimeError,
    "list(torch.broadcast_shapes((2, 1), (3,))), list(torch.broadcast_shapes(2, (1,))), "
    "list(torch.broadcast_shapes())": [[2, 3], [2], []], "torch.broadcast_shapes((2,), (3,))": RuntimeError,
    "m.stride(), m.t().stride(), m.stride(0), m.stride(-1), s.stride(), v.expand(2, 4).stride(), "
    "c.stride(dim=1)": [[3, 1], [1, 3], 3, 1, [], [0, 1], 2],
    "m.is_contiguous(), m.t().is_contiguous(), m.t().contiguous().is_contiguous(), "
    "s.is_contiguous(), e.is_contiguous()": [True, False, True, True, True],
    "m.contiguous() is m, m.t().contiguous() is m, m.t().contiguous(), m.t().contiguous().stride()":
        [True, False, [[1, 4], [2, 5], [3, 6]], [2, 1]],
    "m.stride(2)": IndexError,
    "torch.flip(m, (0,)), torch.flip(m, [0, -1]), m.flip(0), m.flip(0, 1), m.flip((1,)), "
    "m.flip(dims=(0,)), m.flip(())":
        [[[4, 5, 6], [1, 2, 3]], [[6, 5, 4], [3, 2, 1]], [[4, 5, 6], [1, 2, 3]], [[6, 5, 4], [3, 2, 1]],
        [[3, 2, 1], [6, 5, 4]], [[4, 5, 6], [1, 2, 3]], [[1, 2, 3], [4, 5, 6]]],
    "m.flip(2)": IndexError, "m.flip(0, 0)": RuntimeError,
    "torch.fliplr(m), m.fliplr(), torch.flipud(v), m.flipud()":
        [[[3, 2, 1], [6, 5, 4]], [[3, 2, 1], [6, 5, 4]], [4.0, 3.0, 2.0, 1.0], [[4, 5, 6], [1, 2, 3]]],
    "v.fliplr()": RuntimeError, "s.flipud()": RuntimeError,
    "torch.roll(m, 1), torch.roll(m, -1, 0), m.roll((1, 2), (0, 1)), v.roll(shifts=1, dims=0), "
    "v.roll(5, -1), e.roll(1, 0).shape":
        [[[6, 1, 2], [3, 4, 5]], [[4, 5, 6], [1, 2, 3]], [[5, 6, 4], [2, 3, 1]], [4.0, 1.0, 2.0, 3.0],
        [4.0, 1.0, 2.0, 3.0], [2, 0]],
    "s.roll(1)": 1.5, "m.roll((1, 2))": RuntimeError, "m.roll(1, 2)": IndexError,
    "m.roll((1, 2), 0)": RuntimeError,
    "torch.rot90(m), torch.rot90(m, 2), m.rot90(-1, (1, 0)), c.rot90(3, [1, 2]), m.rot90(k=0, "
    "dims=(0, 1))":
        [[[3, 6], [2, 5], [1, 4]], [[6, 5, 4], [3, 2, 1]], [[3, 6], [2, 5], [1, 4]], [[[3.0, 1.0], [4.0,
        2.0]], [[7.0, 5.0], [8.0, 6.0]]], [[1, 2, 3], [4, 5, 6]]],
    "m.rot90(1, (0,))": RuntimeError, "v.rot90()": RuntimeError, "m.rot90(1, (0, 0))": RuntimeError,
    "m.repeat(1, 2), v.repeat(2, 1), v.repeat((2,)), s.repeat(2), m.repeat(0, 1).shape, "
    "v.repeat(repeats=(1, 2)), b.repeat(2)":
        [[[1, 2, 3, 1, 2, 3], [4, 5, 6, 4, 5, 6]], [[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]], [1.0, 2.0,
        3.0, 4.0, 1.0, 2.0, 3.0, 4.0], [1.5, 1.5], [0, 3], [[1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0]],
        [True, False, True, False]],
    "m.repeat(2)": RuntimeError, "v.repeat(-1)": RuntimeError,
    "torch.tile(m, (2,)), m.tile((2, 1)), m.tile(2, 1), v.tile(2, 1), torch.tile(s, (2,)), "
    "m.tile(dims=(1, 2))":
        [[[1, 2, 3, 1, 2, 3], [4, 5, 6, 4, 5, 6]], [[1, 2, 3], [4, 5, 6], [1, 2, 3], [4, 5, 6]], [[1, 2,
        3], [4, 5, 6], [1, 2, 3], [4, 5, 6]], [[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]], [1.5, 1.5],
        [[1, 2, 3, 1, 2, 3], [4, 5, 6, 4, 5, 6]]],
    "torch.tril(m), torch.triu(m), m.tril(1), m.tril(-1), m.triu(diagonal=1), c.triu(), "
    "e.tril().shape":
        [[[1, 0, 0], [4, 5, 0]], [[1, 2, 3], [0, 5, 6]], [[1, 2, 0], [4, 5, 6]], [[0, 0, 0], [4, 0, 0]],
        [[0, 2, 3], [0, 0, 6]], [[[1.0, 2.0], [0.0, 4.0]], [[5.0, 6.0], [0.0, 8.0]]], [2, 0]],
    "torch.tril(tensor([[True, True], [True, True]]))": [[True, False], [True, True]],
    "v.tril()": RuntimeError,
    "torch.diagonal(m), m.diagonal(1), m.diagonal(-1), m.diagonal(5), m.diagonal(-5).shape, "
    "c.diagonal(0, 1, 2), c.diagonal(dim1=0, dim2=2)":
        [[1, 5], [2, 6], [4], [], [0], [[1.0, 4.0], [5.0, 8.0]], [[1.0, 6.0], [3.0, 8.0]]],
    "m.diagonal(0, 0, 0)": RuntimeError, "v.diagonal()": IndexError, "m.diagonal(0, 0, 2)": IndexError,
    "torch.diag(m), torch.diag(v), m.diag(1), v.detach().diag(-1), torch.diag(m, diagonal=-1), "
    "e.diag()":
        [[1, 5], [[1.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 3.0, 0.0], [0.0, 0.0, 0.0, 4.0]],
        [2, 6], [[0.0, 0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0, 0.0], [0.0,
        0.0, 3.0, 0.0, 0.0], [0.0, 0.0, 0.0, 4.0, 0.0]], [4], []],
    "c.diag()": RuntimeError, "s.diag()": RuntimeError,
    "torch.diag_embed(m), m.diag_embed(1), torch.diag_embed(v, -1), m.diag_embed(0, 0, 2), "
    "torch.diag_embed(v, offset=1, dim1=1, dim2=0)":
        [[[[1, 0, 0], [0, 2, 0], [0, 0, 3]], [[4, 0, 0], [0, 5, 0], [0, 0, 6]]], [[[0, 1, 0, 0], [0, 0, 2,
        0], [0, 0, 0, 3], [0, 0, 0, 0]], [[0, 4, 0, 0], [0, 0, 5, 0], [0, 0, 0, 6], [0, 0, 0, 0]]], [[0.0,
        0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0, 0.0], [0.0, 0.0, 3.0, 0.0,
        0.0], [0.0, 0.0, 0.0, 4.0, 0.0]], [[[1, 0, 0], [4, 0, 0]], [[0, 2, 0], [0, 5, 0]], [[0, 0, 3], [0,
        0, 6]]], [[0.0, 0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0, 0.0], [0.0,
        0.0, 3.0, 0.0, 0.0], [0.0, 0.0, 0.0, 4.0, 0.0]]],
    "torch.diagflat(m), torch.diagflat(s), m.diagflat(1), e.diagflat(2)":
        [[[1, 0, 0, 0, 0, 0], [0, 2, 0, 0, 0, 0], [0, 0, 3, 0, 0, 0], [0, 0, 0, 4, 0, 0], [0, 0, 0, 0, 5,
        0], [0, 0, 0, 0, 0, 6]], [[1.5]], [[0, 1, 0, 0, 0, 0, 0], [0, 0, 2, 0, 0, 0, 0], [0, 0, 0, 3, 0, 0,
        0], [0, 0, 0, 0, 4, 0, 0], [0, 0, 0, 0, 0, 5, 0], [0, 0, 0, 0, 0, 0, 6], [0, 0, 0, 0, 0, 0, 0]],
        [[0.0, 0.0], [0.0, 0.0]]],
    "torch.trace(m), m.trace(), torch.trace(m).dtype == m.dtype": [6, 6, True], "v.trace()": RuntimeError,
    "torch.narrow(m, 1, 1, 2), m.narrow(0, -1, 1), m.narrow(1, tensor(1), 1), m.narrow(1, 3, "
    "0).shape, v.narrow(dim=0, start=1, length=2)":
        [[[2, 3], [5, 6]], [[4, 5, 6]], [[2], [5]], [2, 0], [2.0, 3.0]],
    "m.narrow(1, 2, 2)": RuntimeError, "m.narrow(1, 4, 0)": IndexError, "m.narrow(2, 0, 1)": IndexError,
    "m.narrow(1, 0, -1)": RuntimeError, "s.narrow(0, 0, 1)": RuntimeError,
    "torch.select(m, 0, 1), m.select(1, -1), m.select(dim=0, index=0), v.select(0, tensor(2))":
        [[4, 5, 6], [3, 6], [1, 2, 3], 3.0],
    "m.select(0, 2)": IndexError, "m.select(2, 0)": IndexError, "s.select(0, 0)": IndexError,
    "v.unfold(0, 2, 1), v.unfold(0, 2, 3), m.unfold(1, 2, 1), m.unfold(dimension=0, size=2, "
    "step=1), m.unfold(-1, 3, 2)":
        [[[1.0, 2.0], [2.0, 3.0], [3.0, 4.0]], [[1.0, 2.0]], [[[1, 2], [2, 3]], [[4, 5], [5, 6]]], [[[1,
        4], [2, 5], [3, 6]]], [[[1, 2, 3]], [[4, 5, 6]]]],
    "s.unfold(0, 1, 1), v.unfold(0, 0, 1).shape": [[1.5], [5, 0]], "v.unfold(0, 5, 1)": RuntimeError,
    "v.unfold(0, 2, 0)": RuntimeError, "v.unfold(1, 2, 1)": IndexError,
    "v.reshape(2, 2).t().flatten()[1:3].sum().backward(); v.grad": [0.0, 1.0, 1.0, 0.0],
    "(c.permute(2, 0, 1).contiguous() * tensor([1., 2.])).sum().backward(); c.grad":
        [[[1.0, 1.0], [2.0, 2.0]], [[1.0, 1.0], [2.0, 2.0]]],
    "(v.repeat(2, 2) * 2).sum().backward(); v.grad": [8.0, 8.0, 8.0, 8.0],
    "(v.expand(3, 4).tril() * 2).sum().backward(); v.grad": [6.0, 4.0, 2.0, 0.0],
    "(torch.roll(v, 1) * tensor([1., 2., 3., 4.])).sum().backward(); v.grad": [2.0, 3.0, 4.0, 1.0],
    "(v.unfold(0, 2, 1) * tensor([1., 10.])).sum().backward(); v.grad": [1.0, 11.0, 11.0, 10.0],
    "(torch.diag(v, 1)[0] * 3).sum().backward(); v.grad": [3.0, 0.0, 0.0, 0.0],
    "c.diagonal(0, 1, 2).sum().backward(); c.grad": [[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]],
    "(torch.rot90(c)[0] + c.flip(0)[1]).sum().backward(); c.grad":
        [[[1.0, 1.0], [2.0, 2.0]], [[0.0, 0.0], [1.0, 1.0]]],
    "(v.narrow(0, 1, 2) * v.select(0, 3)).sum().backward(); v.grad": [0.0, 4.0, 4.0, 5.0],
    "(torch.tile(v, (2,)) * torch.broadcast_to(s, (8,))).sum().backward(); v.grad": [3.0, 3.0, 3.0, 3.0],
    "v.squeeze().unsqueeze(0).squeeze((0, 1)).movedim(0, 0).sum().backward(); v.grad": [1.0, 1.0, 1.0, 1.0],
    "m.sum_to_size(2, 1), m.sum_to_size((1, 3)), m.sum_to_size(3), m.sum_to_size(1, 1), "
    "m.sum_to_size(2, 3), c.sum_to_size(2)":
        [[[6], [15]], [[5, 7, 9]], [5, 7, 9], [[21]], [[1, 2, 3], [4, 5, 6]], [16.0, 20.0]],
    "m.sum_to_size(2)": RuntimeError,
}
ON_NUMPY_ONLY: set[str] = {  # where the library says how its memory lies
    "m.stride(), m.t().stride(), m.stride(0), m.stride(-1), s.stride(), v.expand(2, 4).stride(), "
    "c.stride(dim=1)",
    "m.is_contiguous(), m.t().is_contiguous(), m.t().contiguous().is_contiguous(), s.is_contiguous(), "
    "e.is_contiguous()",
    "m.contiguous() is m, m.t().contiguous() is m, m.t().contiguous(), m.t().contiguous().stride()",
}
DIFFERENT: dict = {
    "m.permute(0)": (ValueError, RuntimeError), "m.permute(0, 0)": (ValueError, RuntimeError),
    "v.expand(3)": (ValueError, RuntimeError),
}
