"""Making Tensors: factories, draws, dtypes, devices."""

PREAMBLE = """
import copy, math, pickle
tensor = torch.tensor
d = tensor([1., 2.])
i = tensor([1, 2])
b = tensor([True, False])
"""
LINES = {
    # of one value
    "torch.zeros(2, 1), torch.zeros((2,)), torch.zeros([1]), torch.zeros(())": [[[0.0], [0.0]], [0.0, 0.0],
                                                                               [0.0], 0.0],
    "torch.ones(2, dtype=torch.int64), torch.ones(1, dtype=torch.bool)": [[1, 1], [True]],
    "torch.zeros(2).dtype == torch.float32, torch.ones(2).requires_grad": [True, False],
    "torch.zeros(2, requires_grad=True).requires_grad": True, "torch.zeros(-1)": RuntimeError,
    "torch.zeros('a')": TypeError, "torch.zeros(1.5)": TypeError, "torch.zeros(0).shape": [0],
    "torch.full((2,), 3.5), torch.full((1, 2), 3), torch.full((1,), True)": [[3.5, 3.5], [[3, 3]], [True]],
    "torch.full((2,), 1).dtype == torch.int64, torch.full((2,), 1.).dtype == torch.float32": [True, True],
    "torch.full((2,), 1, dtype=torch.float64).dtype == torch.float64": True,
    "torch.full(size=(1,), fill_value=2.)": [2.0], "torch.empty(2, 3).shape": [2, 3],
    "torch.zeros_like(i), torch.ones_like(d), torch.full_like(i, 7)": [[0, 0], [1.0, 1.0], [7, 7]],
    "torch.zeros_like(i, dtype=torch.float64).dtype == torch.float64": True,
    "torch.empty_like(d).shape, torch.ones_like(b)": [[2], [True, True]], "torch.scalar_tensor(3)": 3.0,
    "d.new_zeros(2, 1), i.new_ones((2,)), d.new_full((2,), 5)": [[[0.0], [0.0]], [1, 1], [5.0, 5.0]],
    "i.new_tensor([1., 2.]), d.new_tensor([1]), d.new_empty(3).shape": [[1, 2], [1.0], [3]],
    "i.new_zeros(2, dtype=torch.float32)": [0.0, 0.0],
    # in order
    "torch.arange(3), torch.arange(1, 3), torch.arange(5, 0, -2)": [[0, 1, 2], [1, 2], [5, 3, 1]],
    "torch.arange(2.), torch.arange(0, 1, 0.25)": [[0.0, 1.0], [0.0, 0.25, 0.5, 0.75]],
    "torch.arange(3, dtype=torch.float32), torch.arange(2).dtype == torch.int64": [[0.0, 1.0, 2.0], True],
    "torch.arange(0, 3, 0)": RuntimeError, "torch.arange(3, 0)": RuntimeError, "torch.arange(0)": [],
    "torch.arange(tensor(3))": [0, 1, 2],
    "torch.arange(end=2), torch.arange(start=1, end=3)": [[0, 1], [1, 2]],
    "torch.linspace(0, 1, 5), torch.linspace(3, 3, 1)": [[0.0, 0.25, 0.5, 0.75, 1.0], [3.0]],
    "torch.linspace(0, 10, steps=3), torch.linspace(0, 1, 0)": [[0.0, 5.0, 10.0], []],
    "torch.linspace(0, 1, -1)": RuntimeError, "torch.logspace(0, 2, 3), torch.logspace(0, 3, 4, base=2)":
        [[1.0, 10.0, 100.0], [1.0, 2.0, 4.0, 8.0]],
    "torch.eye(2), torch.eye(1, 2)": [[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0]]],
    "torch.tril_indices(2, 3), torch.triu_indices(2, 2, 1)": [[[0, 1, 1], [0, 0, 1]], [[0], [1]]],
    # of data
    "torch.tensor([1, 2.]).dtype == torch.float32, tensor(True).dtype == torch.bool": [True, True],
    "tensor([1, 2], dtype=torch.float64).dtype == torch.float64, tensor(1).shape": [True, []],
    "tensor([1.], device='cpu')": [1.0], "tensor([[1], [2, 3]])": ValueError,
    "torch.as_tensor([1., 2.]), torch.as_tensor(d) is d": [[1.0, 2.0], True],
    "torch.as_tensor(i, dtype=torch.float32), torch.as_tensor(5)": [[1.0, 2.0], 5],
    "torch.asarray([1, 2]), torch.asarray(d, copy=True) is d": [[1, 2], False],
    "torch.from_numpy(np.array([1., 2.])).dtype == torch.float64": True,
    "a = np.zeros(2); x = torch.from_numpy(a); a[0] = 3; x": [3.0, 0.0], "torch.from_numpy([1.])": TypeError,
    "torch.Tensor([1, 2]), torch.Tensor(2, 3).shape, torch.Tensor(2).dtype == torch.float32, torch.Tensor()":
        [[1.0, 2.0], [2, 3], True, []],
    "torch.Tensor(d), torch.Tensor((1., 2.)), torch.Tensor(2, 'a')": TypeError,
    "torch.FloatTensor([1, 2]), torch.LongTensor([1]), torch.FloatTensor(2, 3).shape":
        [[1.0, 2.0], [1], [2, 3]],
    "torch.BoolTensor([1, 0]), torch.ByteTensor([255]), torch.DoubleTensor([1]).dtype == torch.float64":
        [[True, False], [255], True],
    # draws
    "torch.rand(2, 3).shape, torch.randn((2,)).shape, torch.randint(5, (2, 2)).shape": [[2, 3], [2], [2, 2]],
    "max(torch.rand(100).tolist()) < 1, torch.rand(1).dtype == torch.float32": [True, True],
    "torch.randint(3, 4, (2,)), torch.randint(0, 1, (1,)).dtype == torch.int64": [[3, 3], True],
    "torch.randint(2, 2, (1,))": RuntimeError, "sorted(torch.randperm(3).tolist())": [0, 1, 2],
    "torch.rand_like(d).shape, torch.randn_like(d).shape, torch.randint_like(i, 3).shape": [[2], [2], [2]],
    "torch.manual_seed(3); a = torch.rand(4); torch.manual_seed(3); torch.rand(4).tolist() == a.tolist()":
        True,
    "g = torch.Generator().manual_seed(5); a = torch.randn(3, generator=g); g.manual_seed(5); "
    "torch.randn(3, generator=g).tolist() == a.tolist()":
        True, "torch.Generator(device='cpu').initial_seed() >= 0": True,
    "torch.manual_seed(7).initial_seed(), torch.initial_seed()": [7, 7],
    "torch.bernoulli(tensor([0., 1.])), torch.bernoulli(d, 1.), d.bernoulli(0.)": [[0.0, 1.0], [1.0, 1.0],
                                                                                 [0.0, 0.0]],
    "torch.normal(0., 0., (2,)), torch.normal(d, 0.), torch.normal(1., tensor([0.]))":
        [[0.0, 0.0], [1.0, 2.0],
                                                                                      [1.0]],
    "torch.multinomial(tensor([0., 2., 0.]), 1)": [1],
    "sorted(torch.multinomial(tensor([1., 2., 0., 3.]), 3).tolist())": [0, 1, 3],
    "torch.multinomial(tensor([[0., 1.], [1., 0.]]), 1)": [[1], [0]],
    "torch.multinomial(d, 3)": RuntimeError, "torch.bernoulli(d, 2.)": RuntimeError,
    # dtypes
    "d.dtype == torch.float32, torch.float == torch.float32, torch.long == torch.int64": [True, True, True],
    "d.dtype is torch.float32, d.dtype != torch.float64, d.dtype in (torch.half, torch.float)":
        [True, True, True],
    "{torch.float32: 1}[d.dtype], isinstance(d.dtype, torch.dtype)": [1, True],
    "d.dtype.is_floating_point, i.dtype.is_floating_point, d.is_floating_point()": [True, False, True],
    "torch.is_floating_point(i), torch.is_tensor(d), torch.is_tensor(1), torch.numel(d)":
        [False, True, False, 2],
    "torch.float16.itemsize, torch.bool.itemsize, torch.complex64.itemsize": [2, 1, 8],
    "torch.int8.is_signed, torch.uint8.is_signed, torch.bool.is_signed": [True, False, False],
    "copy.deepcopy(d.dtype) is torch.float32, pickle.loads(pickle.dumps(d.dtype)) is torch.float32":
        [True, True],
    "d.double().dtype == torch.float64, d.half().dtype == torch.float16": [True, True],
    "d.long(), d.int(), d.short(), d.char(), d.byte(), d.bool(), i.float()":
        [[1, 2], [1, 2], [1, 2], [1, 2], [1, 2], [True, True], [1.0, 2.0]],
    "d.long().dtype == torch.int64, d.byte().dtype == torch.uint8, d.char().dtype == torch.int8": [True] * 3,
    "d.type(torch.int64), d.type_as(i), d.type(torch.LongTensor)": [[1, 2], [1, 2], [1, 2]],
    "d.type(), i.type(), b.type()": ["torch.FloatTensor", "torch.LongTensor", "torch.BoolTensor"],
    "d.to(torch.int64), d.to('cpu', torch.int64), d.to(i), d.to(dtype=torch.int64)": [[1, 2]] * 4,
    "d.to('cpu') is d, d.to(torch.float32) is d, d.to(d) is d, d.to(torch.float32, copy=True) is d":
        [True, True, True, False],
    "d.to(device='cpu', dtype=torch.bool), d.to('cpu', non_blocking=True) is d": [[True, True], True],
    "d.cpu() is d, d.is_cuda, d.device.type, str(d.device), d.device == torch.device('cpu')":
        [True, False, "cpu", "cpu", True],
    "torch.device('cuda:1').index, torch.device('cuda', 1) == torch.device('cuda:1')": [1, True],
    "torch.device('cuda').index, str(torch.device('cuda:0')), torch.device('cuda').type":
        [None, "cuda:0", "cuda"],
    "repr(torch.device('cpu'))": "device(type='cpu')", "torch.device('nowhere')": RuntimeError,
    "torch.zeros(1, device=d.device), torch.zeros(1, device=torch.device('cpu'))": [[0.0], [0.0]],
    "torch.arange(2, device='cpu'), torch.rand(2, device=d.device).shape": [[0, 1], [2]],
    "isinstance(d.device, torch.device), {torch.device('cpu'): 1}[d.device]": [True, 1],
    "torch.finfo(torch.float32).eps, torch.finfo(torch.float16).max, torch.finfo(d.dtype).tiny":
        [1.1920928955078125e-07, 65504.0, 1.1754943508222875e-38],
    "torch.finfo(torch.float64).min, torch.finfo(torch.bfloat16).resolution, torch.finfo().bits":
        [-1.7976931348623157e308, 0.01, 32],
    "torch.iinfo(torch.uint8).max, torch.iinfo(torch.int64).min, torch.iinfo(torch.int8).bits":
        [255, -9223372036854775808, 8],
    "torch.finfo(torch.int8)": TypeError, "torch.iinfo(torch.float32)": TypeError,
    "torch.promote_types(torch.int64, torch.float16) == torch.float16": True,
    "torch.promote_types(torch.uint8, torch.int8) == torch.int16": True,
    "torch.promote_types(torch.float16, torch.bfloat16) == torch.float32": True,
    "torch.result_type(i, 1.5) == torch.float32, torch.result_type(d, tensor(1.)) == torch.float32":
        [True, True],
    "torch.result_type(tensor([1], dtype=torch.int8), 300) == torch.int8": True,
    "torch.result_type(d, torch.ones((), dtype=torch.float64)) == torch.float32": True,
    "torch.can_cast(torch.float64, torch.float16), torch.can_cast(torch.float32, torch.int64)": [True, False],
    "torch.can_cast(torch.int64, torch.uint8), torch.can_cast(torch.int8, torch.bool)": [True, False],
    "torch.get_default_dtype() == torch.float32": True,
    "torch.set_default_dtype(torch.float64)\ntry: x = tensor([1.]).dtype, torch.zeros(1).dtype"
    "\nfinally: torch.set_default_dtype(torch.float32)\n[v == torch.float64 for v in x]": [True] * 2,
    "torch.set_default_dtype(torch.int64)": TypeError,
    # places
    "torch.cuda.is_available(), torch.cuda.device_count()": [False, 0],
    "torch.cuda.manual_seed_all(3), torch.cuda.manual_seed(3), torch.cuda.empty_cache()": [None, None, None],
    "torch.backends.cudnn.benchmark = True; torch.backends.cudnn.benchmark": True,
    "nn.Linear(1, 1).cpu().to('cpu').weight.device.type": "cpu",
    "nn.Linear(1, 1, device='cpu').weight.device.type, nn.Conv2d(1, 1, 1, device=d.device).bias.is_cuda": [
        "cpu", False],
    "nn.BatchNorm2d(1, device='cpu', dtype=torch.float64).running_mean.dtype == torch.float64": True,
    "nn.Linear(1, 1).to(torch.float64).weight.dtype == torch.float64": True,
    "nn.Linear(1, 1).to('cpu', torch.float64).weight.dtype == torch.float64": True,
    "nn.Linear(1, 1).to(d.double()).weight.dtype == torch.float64": True,
    "nn.Linear(1, 1).type(torch.float64).weight.dtype == torch.float64": True,
    "nn.Linear(1, 1).to(torch.int64)": TypeError,
    # constants
    "torch.pi == math.pi, torch.inf, torch.nan != torch.nan, torch.e == math.e":
        [True, float("inf"), True, True],
    "d[torch.newaxis].shape, torch.Size([2, 1]), isinstance(d.shape, torch.Size)": [[1, 2], [2, 1], True],
}
ON_NUMPY_ONLY = {line for line in LINES if "float64" in line or "from_numpy" in line or "Double" in line
                 or "double()" in line or ".type()" in line or "bfloat16()" in line or "int64" in line}
DIFFERENT = {
    "d.cuda()": (RuntimeError, AssertionError), "nn.Linear(1, 1).cuda()": (RuntimeError, AssertionError),
    "str(d.dtype)": ("float32", "torch.float32"), "repr(d.dtype)": ("cnnkit.float32", "torch.float32"),
    "d.dtype == 'float32'": (True, False), "torch.linspace(0, 1, 5).dtype == np.float32": (True, False),
}
