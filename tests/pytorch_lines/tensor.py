"""Tensors: comparing, Python's own functions, gradients, leaves, copies, NumPy."""

PREAMBLE = """
import copy, math, pickle
tensor = torch.tensor
t = tensor([1., 2.], requires_grad=True)
d = tensor([1., 2.])
i = tensor([1, 2])
s = tensor(1.5)
"""
LINES = {
    # comparing
    "t == None": False, "t != None": True, "None == t": False, "None != i": True, "None in [t, None]": True,
    "[None, t].index(None)": 0, "t in [t]": True, "{'a': t} == {'a': None}": False,
    "(1, t) == (1, None)": False, "t == 'a'": False, "t != 'a'": True, "t == object()": False,
    "d == [1., 2.]": False, "i == 1": [True, False], "1 == i": [True, False], "i != 1": [False, True],
    "i < 2": [True, False], "2 > i": [True, False], "i >= 2": [False, True], "d == d": [True, True],
    "i == np.array([1, 3])": [True, False], "d == np.float32(2)": [False, True], "i == True": [True, False],
    "t < None": TypeError, "t > 'a'": TypeError, "i in [tensor([1, 2])]": RuntimeError,
    "tensor(1) in [tensor(1)]": True, "2. in d": True, "5. in d": False, "tensor(2.) in d": True,
    "None in d": RuntimeError, "'a' in d": RuntimeError, "hash(t) == hash(t)": True, "{t: 1}[t]": 1,
    "len({t, t, d})": 2, "t is t.requires_grad_()": True,
    # Python's own functions
    "bool(d)": RuntimeError, "bool(tensor([]))": RuntimeError, "bool(tensor([0.]))": False, "bool(s)": True,
    "not tensor(0)": True, "s and 3": 3, "d.item()": RuntimeError, "tensor([2.]).item()": 2.0,
    "type(i[0].item()).__name__, type(s.item()).__name__, tensor(True).item()": ["int", "float", True],
    "float(tensor([2.5])), int(tensor(2.7)), int(tensor([3]))": [2.5, 2, 3], "float(t[1])": 2.0,
    "float(d)": ValueError, "int(d)": ValueError, "float(s.requires_grad_())": 1.5, "[4, 5, 6][tensor(1)]": 5,
    "list(range(tensor(2)))": [0, 1], "[4, 5][tensor(1.)]": TypeError, "'ab' * tensor(2)": "abab",
    "math.sqrt(tensor(4.))": 2.0, "len(d)": 2, "len(s)": TypeError, "list(s)": TypeError,
    "[x.item() for x in d]": [1.0, 2.0], "a, b = t; (a * b).item()": 2.0, "list(reversed(d))": [2.0, 1.0],
    "sum([s, s])": 3.0, "max(d), sorted(tensor([3., 1.]))": [2.0, [1.0, 3.0]], "sum(t).requires_grad": True,
    "abs(tensor([-1.]))": [1.0], "f'{s:.3f}'": "1.500", "f'{s}'": "1.5", "f'{tensor(3):d}'": "3",
    "'%.1f' % s": "1.5", "f'{s.requires_grad_():.1f}'": "1.5", "'{:>6.2f}'.format(tensor(1.25))": "  1.25",
    "f'{d:.2f}'": TypeError, "f'{d}' == str(d) == repr(d)": True, "d.tolist(), s.tolist()": [[1.0, 2.0], 1.5],
    "tensor([s, tensor(2.)])": [1.5, 2.0], "tensor([t[0], t[1]]).requires_grad": False,
    # arithmetic with others
    "2 * i": [2, 4], "1 - d": [0.0, -1.0], "2 / d": [2.0, 1.0], "2 ** d": [2.0, 4.0], "d ** 2": [1.0, 4.0],
    "np.float32(2) * d": [2.0, 4.0], "np.float64(2) * t": [2.0, 4.0], "np.int64(2) + i": [3, 4],
    "(np.float64(2) * d).dtype == d.dtype": True, "d * np.float64(2)": [2.0, 4.0], "d + [1, 2]": TypeError,
    "d + None": TypeError, "d * 'a'": TypeError, "None - d": TypeError, "d ** None": TypeError,
    "[1, 2] + d": TypeError, "d += None": TypeError,
    "class Other:\n  def __radd__(self, x): return 'other'\nd + Other()": "other",
    "class Other:\n  def __eq__(self, x): return 'other'\nd == Other()": "other",
    # shapes
    "tensor([[1, 2], [3, 4]]).T": [[1, 3], [2, 4]], "tensor([[1, 2], [3, 4]]).mT": [[1, 3], [2, 4]],
    "tensor([[[1, 2]]]).mT": [[[1], [2]]], "d.mT": RuntimeError, "tensor([[1, 2]]).t()": [[1], [2]],
    "tensor([[[1.]]]).t()": RuntimeError, "d.T": [1.0, 2.0],
    "d.dim(), d.ndim, d.nelement(), d.numel()": [1, 1, 2, 2],
    "d.size(), d.size(-1), d.size(0), tuple(d.shape)": [[2], 2, 2, [2]], "d.size(3)": IndexError,
    "d.size(dim=0)": 2, "d.unsqueeze(dim=1)": [[1.0], [2.0]],
    "d[None].squeeze(dim=0), d[None].transpose(dim0=0, dim1=1)": [[1.0, 2.0], [[1.0], [2.0]]],
    # requires_grad and leaves
    "i.requires_grad = True": RuntimeError, "tensor([True]).requires_grad = True": RuntimeError,
    "i.requires_grad_()": RuntimeError, "tensor([1], requires_grad=True)": RuntimeError,
    "i.requires_grad = False; i.requires_grad": False, "d.requires_grad = True; d.requires_grad": True,
    "t.requires_grad = False; t.requires_grad": False, "y = t * 2; y.requires_grad = False": RuntimeError,
    "y = t * 2; y.requires_grad = True": RuntimeError, "(t * 2).requires_grad_(False)": RuntimeError,
    "(t * 2).requires_grad_().requires_grad": True,
    "y = d * 2; y.requires_grad = True; y.requires_grad": True, "d.requires_grad = 1": RuntimeError,
    "d.requires_grad = None": RuntimeError, "d.requires_grad_(1)": TypeError,
    "t.is_leaf, (t * 2).is_leaf, (i * 2).is_leaf, (t * 2).detach().is_leaf": [True, False, True, True],
    "t.is_leaf = True": AttributeError, "t.detach().requires_grad": False, "d.detach() is d": False,
    "(t * 1.0).detach().requires_grad_().is_leaf": True,
    # grad
    "d.grad": None, "d.grad = 3": TypeError, "d.grad = np.ones(2, 'f')": TypeError,
    "d.grad = [1., 2.]": TypeError, "d.grad = tensor([1.])": RuntimeError,
    "d.grad = d.double()": RuntimeError, "d.grad = i": RuntimeError, "d.grad = d": RuntimeError,
    "d.grad = tensor([3., 4.]); d.grad": [3.0, 4.0], "d.grad = tensor([3., 4.]); d.grad = None; d.grad": None,
    "(t * t).sum().backward(); del t.grad; t.grad": None,
    "(t * t).sum().backward(); (t * t).sum().backward(); t.grad": [4.0, 8.0],
    "y = t * 2; y.sum().backward(); y.grad": None,
    "y = t * 2; y.retain_grad(); y.sum().backward(); (y.grad, t.grad)": [[1.0, 1.0], [2.0, 2.0]],
    "t.retain_grad(); (t * 2).sum().backward(); t.grad": [2.0, 2.0], "d.retain_grad()": RuntimeError,
    "(d * 2).retain_grad()": RuntimeError,
    # backward
    "(t * 2).backward()": RuntimeError, "d.sum().backward()": RuntimeError,
    "t.backward(); t.grad": RuntimeError, "t.backward(tensor([1., 3.])); t.grad": [1.0, 3.0],
    "(t * 2).backward(tensor([1., 3.])); t.grad": [2.0, 6.0],
    "y = (t * t).sum(); y.backward(); y.backward()": RuntimeError,
    "y = (t * t).sum(); y.backward(retain_graph=True); y.backward(); t.grad": [4.0, 8.0],
    "h = t.register_hook(lambda g: g * 10); (t * 2).sum().backward(); h.remove(); h.remove(); t.grad":
        [20.0, 20.0],
    "with t.register_hook(lambda g: g * 10): pass\n(t * 2).sum().backward(); t.grad": [2.0, 2.0],
    # in place
    "t.add_(1)": RuntimeError, "t += 1": RuntimeError, "t.zero_()": RuntimeError,
    "d.add_(1).mul_(2); d": [4.0, 6.0], "d += 1; d": [2.0, 3.0],
    "with torch.no_grad(): t.mul_(3)\n(t, t.requires_grad, t.is_leaf)": [[3.0, 6.0], True, True],
    "w = tensor([1., 1.]); y = (t * w).sum(); w.add_(1); y.backward()": RuntimeError,
    # copies
    "copy.deepcopy(t * 2)": RuntimeError,
    "c = copy.deepcopy(t); (c, c.requires_grad, c is t)": [[1.0, 2.0], True, False],
    "c = copy.copy(t); (c, c.requires_grad, c is t)": [[1.0, 2.0], True, False],
    "(t * t).sum().backward(); copy.deepcopy(t).grad": [2.0, 4.0],
    "c = pickle.loads(pickle.dumps(t)); (c, c.requires_grad)": [[1.0, 2.0], True],
    "c = t.clone(); (c, c.requires_grad, c.is_leaf)": [[1.0, 2.0], True, False],
    "m = {}; a, b = copy.deepcopy([t, t], m); a is b": True,
    # NumPy
    "d.numpy()": [1.0, 2.0], "t.detach().numpy()": [1.0, 2.0], "np.asarray(d)": [1.0, 2.0],
    "np.array(d).dtype.name, np.asarray(i).dtype.name": ["float32", "int64"],
    "t.numpy(force=True)": [1.0, 2.0], "np.asarray(d, dtype='float64').dtype.name": "float64",
    "np.stack([d, d]).shape": [2, 2], "np.array([s, s]).tolist()": [1.5, 1.5],
    "a = d.numpy(); a[0] = 9; d": [9.0, 2.0],
    # memory
    "d.element_size(), d.itemsize, d.nbytes, d.ndimension(), torch.zeros(2, dtype=torch.bool).nbytes":
        [4, 4, 8, 1, 2],
    "d.is_sparse, d.to_dense() is d, d.share_memory_() is d, d.layout == torch.strided":
        [False, True, True, True],
    "d.new([3, 4]), list(d.new(2, 3).shape), list(d.new(d.size()).shape), list(d.new().shape)":
        [[3.0, 4.0], [2, 3], [2], [0]],
    "i.new([3]).dtype == i.dtype, i.new([3]).device == i.device": [True, True],
    "torch.sigmoid_(d) is d, torch.clamp_(d, 0, 0.75), torch.zero_(d)": [True, [0.0, 0.0], [0.0, 0.0]],
    # settings
    "torch.use_deterministic_algorithms(True); r = torch.are_deterministic_algorithms_enabled(); "
    "torch.use_deterministic_algorithms(False); r": True,
    "torch.set_float32_matmul_precision('high'); r = torch.get_float32_matmul_precision(); "
    "torch.set_float32_matmul_precision('highest'); r": "high",
    "r = torch.get_rng_state(); a = torch.rand(2); torch.set_rng_state(r); (a == torch.rand(2)).all().item()":
        True,
    "with torch.autograd.detect_anomaly(): (torch.zeros(1, requires_grad=True).sqrt() * 0).sum().backward()":
        RuntimeError,
    "z = torch.zeros(1, requires_grad=True)\nwith torch.autograd.set_detect_anomaly(False):\n"
    "  (z.sqrt() * 0).backward()\nz.grad.isnan()": [True],
    "torch.autograd.set_detect_anomaly(True); r = torch.is_anomaly_enabled(); "
    "torch.autograd.set_detect_anomaly(False); (r, torch.is_anomaly_enabled())": [True, False],
    # names
    "d.shpe": AttributeError, "hasattr(d, 'shpe'), hasattr(d, 'shape')": [False, True],
    "torch.tensr": AttributeError, "F.Relu": AttributeError, "getattr(d, 'nothing', 7)": 7,
}
ON_NUMPY_ONLY = {  # two libraries' arrays; memory that is shared; a dtype that JAX lacks; a strict library
    "i == np.array([1, 3])", "a = d.numpy(); a[0] = 9; d", "np.array(d).dtype.name, np.asarray(i).dtype.name",
    "i == True",
}
DIFFERENT = {
    # a Tensor that requires a gradient gives its values without detach()
    "t.numpy()": ([1.0, 2.0], RuntimeError), "np.asarray(t)": ([1.0, 2.0], RuntimeError),
    # any value of one element has a format
    "f'{tensor([1.5]):.2f}'": ("1.50", TypeError), "np.ones(2, 'f') * d": ([1.0, 2.0], TypeError),
    # shapes and dtypes that do not fit
    "d.reshape(3)": (ValueError, RuntimeError), "t.backward(tensor([1.]))": (ValueError, RuntimeError),
    "i.mean()": (TypeError, RuntimeError),
    "copy.copy(t * 2)": (RuntimeError, [2.0, 4.0]), "pickle.dumps(t * 2) and 1": (RuntimeError, 1),
    "d.note = 3": (AttributeError, None),
}
