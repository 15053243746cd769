"""Changes in place: methods with an underscore, augmented assignments, elements, views, and ``data``."""

PREAMBLE = """
tensor = torch.tensor
t = tensor([1., 2.], requires_grad=True)
d = tensor([1., 2.])
i = tensor([1, 2])
m = tensor([[1., 2.], [3., 4.]])
def grad(y): y.sum().backward(); return t.grad
"""

LINES = {
    # whoever holds the Tensor sees the new value
    "e = d; e.add_(1); d": [2.0, 3.0], "e = d; e += 1; d": [2.0, 3.0], "d.add_(1) is d": True,
    "d.sub_(1, alpha=2); d": [-1.0, 0.0], "d.add_(d, alpha=.5); d": [1.5, 3.0], "d.div_(2); d": [0.5, 1.0],
    "d **= 2; d": [1.0, 4.0], "d /= 4; d": [0.25, 0.5], "d.neg_().abs_(); d": [1.0, 2.0],
    "d.pow_(3).sqrt_(); d.mul_(0); d": [0.0, 0.0], "d.fill_(3); d": [3.0, 3.0], "d.zero_(); d": [0.0, 0.0],
    "d.copy_(tensor([5, 6])); d": [5.0, 6.0], "d.copy_(i); d": [1.0, 2.0],
    "d.fill_(tensor(4.)); d": [4.0, 4.0],
    "e = F.relu(d - 1.5, inplace=True); e": [0.0, 0.5], "d.clamp_(1.5); d": [1.5, 2.0],
    "d -= 1.5; F.relu(d, inplace=True) is d, d": [True, [0.0, 0.5]],
    "d -= 1.5; torch.nn.ReLU(True)(d); d": [0.0, 0.5],
    "d -= 1.5; F.leaky_relu(d, .5, True); d": [-0.25, 0.5],
    "d.uniform_(2, 3); (d >= 2).tolist()": [True, True], "d.normal_(0, 0); d": [0.0, 0.0],
    "i.random_(3, 4); i": [3, 3], "d.bernoulli_(1); d": [1.0, 1.0],
    # gradients
    "y = t * 2; y.add_(1)": [3.0, 5.0], "y = t * 2; y.add_(1); grad(y * y)": [12.0, 20.0],
    "y = t * 1; y *= t; grad(y)": [2.0, 4.0], "y = t * t; y[0] = 5; grad(y)": [0.0, 4.0],
    "y = t * 1; y[:1].mul_(3); grad(y)": [3.0, 1.0], "y = d.clone(); y[1] = t[0]; grad(y)": [1.0, 0.0],
    "y = t * 1; y.zero_(); grad(y)": [0.0, 0.0],
    "y = t * 1; y.copy_(d); grad(y), y.requires_grad": [[0.0, 0.0], True],
    "y = tensor([0., 0.]); y.copy_(t * 3); grad(y)": [3.0, 3.0],
    "y = t - 1.5; z = F.relu(y, inplace=True); grad(z + y)": [0.0, 2.0],
    "y = t * 2; y.relu_(); F.relu(y * 3, True).sum().backward(); t.grad": [6.0, 6.0],
    "y = t * 2; y.retain_grad(); y.mul_(3); y.sum().backward(); y.grad": [1.0, 1.0],
    "y = t * 2; y.register_hook(lambda g: g * 10); y.mul_(3); grad(y)": [60.0, 60.0],
    "t.grad_fn, (t * 2).grad_fn is None": [None, False],
    # what is refused
    "t.add_(1)": RuntimeError, "t[0] = 1.": RuntimeError, "t[:1].zero_()": RuntimeError,
    "t /= 2": RuntimeError,
    "t.view(2, 1).mul_(2)": RuntimeError, "F.relu(t, inplace=True)": RuntimeError,
    "y = t * 2; z = y.exp(); z.add_(1); z.sum().backward()": RuntimeError,
    "y = t * 2; z = y * y; y.add_(1); z.sum().backward()": RuntimeError,
    "y = t * 2; z = y * y; y[0] = 1; z.sum().backward()": RuntimeError,
    "y = t * 2; y.mul_(y); y.sum().backward()": RuntimeError,
    "y = t * 2; z = y + d; y.add_(1); grad(z)": [2.0, 2.0], "y = t * 2; y.add_(y); grad(y)": [4.0, 4.0],
    "i.add_(0.5)": RuntimeError, "i /= 2": RuntimeError, "d.expand(3, 2).add_(1)": RuntimeError,
    "with torch.no_grad(): v = t[:1]\nv.add_(1)": RuntimeError, "d[0] = [1.]": TypeError,
    # elements
    "d[0] = 3.; d": [3.0, 2.0], "d[-1] += 3.; d": [1.0, 5.0], "d[:] = 7; d": [7.0, 7.0],
    "d[...] = tensor([3, 4]); d": [3.0, 4.0], "d[d > 1.5] = 0; d": [1.0, 0.0],
    "d[d > 0] = tensor([8., 9.]); d": [8.0, 9.0], "m[0] = tensor([[8., 9.]]); m": [[8.0, 9.0], [3.0, 4.0]],
    "m[:, 1] = tensor([8., 9.]); m": [[1.0, 8.0], [3.0, 9.0]],
    "m[[0, 1], [1, 0]] = 0; m": [[1.0, 0.0], [0.0, 4.0]],
    "m[1, 1] *= 10; m": [[1.0, 2.0], [3.0, 40.0]], "m[None, 0] = 5; m": [[5.0, 5.0], [3.0, 4.0]],
    "m[tensor([True, False])] = 9; m": [[9.0, 9.0], [3.0, 4.0]],
    "m[::2, ..., 0] = 6; m": [[6.0, 2.0], [3.0, 4.0]],
    "i[0] = 2.7; i": [2, 2], "d[5] = 1": IndexError,
    # views share memory
    "v = m[0]; v.zero_(); m": [[0.0, 0.0], [3.0, 4.0]],
    "v = m.view(-1); v[3] = 9; m": [[1.0, 2.0], [3.0, 9.0]],
    "v = m.t(); m.add_(1); v": [[2.0, 4.0], [3.0, 5.0]], "v = m.T; w = m[1]; v[0] = 0; w": [0.0, 4.0],
    "v = m.detach(); v.zero_(); m": [[0.0, 0.0], [0.0, 0.0]],
    "v = m.clone(); v.zero_(); m": [[1.0, 2.0], [3.0, 4.0]],
    "v = m.transpose(0, 1).reshape(-1); v.zero_(); m": [[1.0, 2.0], [3.0, 4.0]],
    "v, w = m[0], m[0, :1]; w.fill_(9); v": [9.0, 2.0],
    "v = m[0]; del m; w = v[1:]; w.zero_(); v": [1.0, 0.0],
    "v = m.expand(2, 2, 2); m.zero_(); v[1]": [[0.0, 0.0], [0.0, 0.0]],
    "v = d.unsqueeze(0); v += 1; d": [2.0, 3.0], "for row in m: row.mul_(2)\nm": [[2.0, 4.0], [6.0, 8.0]],
    "m.diagonal().add_(1); m": [[2.0, 2.0], [3.0, 5.0]],
    "v = m.unfold(0, 2, 1); m.zero_(); v": [[[0.0, 0.0], [0.0, 0.0]]],
    "m.unfold(1, 1, 1).mul_(2); m": [[2.0, 4.0], [6.0, 8.0]],
    "a, b = m.chunk(2); b.zero_(); m": [[1.0, 2.0], [0.0, 0.0]],
    "y = t * 1; a, b = y.split(1); a.add_(1)": RuntimeError, "y = t * 1\nfor n in y: n.add_(1)": RuntimeError,
    "m.fill_diagonal_(9); m": [[9.0, 2.0], [3.0, 9.0]], "d.apply_(lambda v: v + 1); d": [2.0, 3.0],
    "d.map_(d.clone(), lambda a, b: a * b); d": [1.0, 4.0], "m.unsqueeze_(0).shape": [1, 2, 2],
    "m.exponential_(); (m > 0)": [[True, True], [True, True]], "m.t_(); m": [[1.0, 3.0], [2.0, 4.0]],
    "x = torch.zeros(2, 3, 2); x.diagonal(0, 0, 2).fill_(1); x.sum()": 6.0,
    # data, and optimizers by hand
    "t.data.add_(1); t, t.requires_grad": [[2.0, 3.0], True], "t.data = d; t": [1.0, 2.0],
    "t.data = d; d.zero_(); t": [0.0, 0.0], "t.data[0] = 5; t": [5.0, 2.0], "t.data.requires_grad": False,
    "(t * t).sum().backward(); t.data -= .5 * t.grad; t": [0.0, 0.0],
    "(t * t).sum().backward(); t.data.add_(t.grad, alpha=-.5); t": [0.0, 0.0],
    "(t * t).sum().backward()\nwith torch.no_grad(): t -= .25 * t.grad\nt": [0.5, 1.0],
    "(t * t).sum().backward(); t.grad.zero_(); t.grad": [0.0, 0.0],
    "with torch.no_grad(): t.copy_(tensor([5., 6.]))\nt": [5.0, 6.0],
    "y = t * 2; y.detach_(); y.requires_grad": False,
    "t.data = 3": TypeError, "with torch.no_grad(): t[0] = 9\nt, t.requires_grad": [[9.0, 2.0], True],
}

DIFFERENT = {
    # what data hides from the tape: PyTorch takes the new value for the gradient of the old result
    "w = tensor([1., 1.]); y = (t * w).sum(); w.data.add_(1); y.backward(); t.grad": ([1.0, 1.0], [2.0, 2.0]),
    "d[0] = np.ones(1, 'f'); d": ([1.0, 2.0], TypeError),
    "d['a'] = 1": (IndexError, TypeError),
}
