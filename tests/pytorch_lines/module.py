"""Modules: modes, what they are made of, what may be assigned, printing, hooks."""

PREAMBLE = """
import copy
tensor, Linear, ReLU = torch.tensor, nn.Linear, nn.ReLU

class Frozen(nn.BatchNorm1d):
    def train(self, mode=True):
        return super().train(False)

class Own(nn.Module):
    calls = []
    def train(self, mode=True):
        Own.calls.append(mode)
        return super().train(mode)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(Linear(2, 2), nn.BatchNorm1d(2))
        self.head = Linear(2, 1)
        self.scale = nn.Parameter(tensor([2.]))
        self.register_buffer("count", tensor([0.]))
        self.register_buffer("scratch", tensor([0.]), persistent=False)
    def forward(self, x):
        return self.head(self.body(x)) * self.scale

def names(pairs):
    return [name for name, _ in pairs]

def modes(module):
    return [m.training for m in module.modules()]

net, lin = Net(), Linear(2, 2)
relu = ReLU()
shared = nn.Sequential(relu, relu, nn.Sequential(relu))
tied = nn.Sequential(lin, lin)
x = tensor([[1., 2.], [3., 5.]])
"""
LINES = {
    # modes
    "nn.Sequential(Linear(1, 1), Frozen(2)).train()[1].training": False,
    "modes(nn.Sequential(nn.Sequential(Frozen(2)), ReLU()).train())": [True, True, False, True],
    "nn.ModuleList([Frozen(1)]).train()[0].training": False, "modes(net.eval().train())": [True] * 5,
    "nn.Sequential(Own()).eval(); nn.Sequential(Own()).train(); Own.calls": [False, True],
    "modes(net.eval())": [False] * 5,
    "net.train() is net, net.eval() is net, net.train(False) is net": [True] * 3,
    "net.body.eval(); modes(net)": [True, False, False, False, True], "net.train(1)": ValueError,
    "net.train('a')": ValueError, "net.train(None)": ValueError, "net.train(np.bool_(True))": ValueError,
    "net.train(mode=False).training": False, "Net().training": True,
    "net.training = False; modes(net)": [False, True, True, True, True],
    # all parameters at once
    "net.requires_grad_(False) is net, [p.requires_grad for p in net.parameters()]": [True, [False] * 7],
    "net.body.requires_grad_(False); [p.requires_grad for p in net.parameters()]":
        [True] + [False] * 4 + [True] * 2,
    "net(x).sum().backward(); net.zero_grad(); [p.grad for p in net.parameters()]": [None] * 7,
    "net(x).sum().backward(); net.zero_grad(set_to_none=False); net.scale.grad": [0.0],
    "net.zero_grad(set_to_none=False); net.scale.grad": None,
    "seen = []; r = net.apply(lambda m: seen.append(type(m).__name__)); (r is net, seen)":
        [True, ["Linear", "BatchNorm1d", "Sequential", "Linear", "Net"]],
    "seen = []; shared.apply(lambda m: seen.append(type(m).__name__)); seen":
        ["ReLU", "ReLU", "Sequential", "Sequential"],
    # what it is made of
    "names(net.named_parameters())":
        ["scale", "body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias", "head.weight", "head.bias"],
    "names(net.named_parameters(prefix='n'))[:2]": ["n.scale", "n.body.0.weight"],
    "names(net.named_parameters('n', False))": ["n.scale"],
    "names(net.named_parameters(recurse=False))": ["scale"],
    "names(net.named_buffers())":
        ["count", "scratch", "body.1.running_mean", "body.1.running_var", "body.1.num_batches_tracked"],
    "names(net.named_buffers(prefix='n', recurse=False))": ["n.count", "n.scratch"],
    "names(net.named_children())": ["body", "head"],
    "names(net.named_modules())": ["", "body", "body.0", "body.1", "head"],
    "names(net.named_modules(prefix='n'))": ["n", "n.body", "n.body.0", "n.body.1", "n.head"],
    "names(net.named_modules({net.body}))": ["", "head"],
    "names(shared.named_modules()), names(shared.named_children())": [["", "0", "2"], ["0", "2"]],
    "names(shared.named_modules(remove_duplicate=False))": ["", "0", "1", "2", "2.0"],
    "len(shared), len(list(shared.children())), len(list(shared.modules())), len(list(shared))": [3, 2, 3, 3],
    "names(tied.named_parameters()), len(list(tied.parameters()))": [["0.weight", "0.bias"], 2],
    "names(tied.named_parameters(remove_duplicate=False))": ["0.weight", "0.bias", "1.weight", "1.bias"],
    "net.body[0].weight = net.head.weight; len(list(net.parameters()))": 6,
    "len(list(net.buffers())), len(list(net.buffers(recurse=False)))": [5, 2],
    "net.get_submodule('body.1') is net.body[1], net.get_submodule('') is net": [True, True],
    "net.set_submodule('body.0', ReLU()); net.body[0]": "ReLU",
    "net.set_submodule('a.b', ReLU())": AttributeError,
    "net.set_submodule('extra', ReLU()); names(net.named_children())": ["body", "head", "extra"],
    "net.get_submodule('body.7')": AttributeError, "net.get_submodule('head.weight')": AttributeError,
    "net.get_parameter('body.0.weight') is net.body[0].weight": True, "net.get_parameter('scale')": [2.0],
    "net.get_parameter('body.0.weigth')": AttributeError, "net.get_parameter('count')": AttributeError,
    "net.get_buffer('count')": [0.0], "net.get_buffer('scale')": AttributeError,
    "net.get_buffer('body.1.running_mean')": [0.0, 0.0], "net.get_buffer('nothing.count')": AttributeError,
    # registering
    "net.add_module('extra', ReLU()); (names(net.named_children()), net.extra)":
        [["body", "head", "extra"], "ReLU"],
    "net.register_module('extra', ReLU()); names(net.named_children())": ["body", "head", "extra"],
    "net.add_module('extra', None); (net.extra, names(net.named_children()))": [None, ["body", "head"]],
    "net.add_module('head', ReLU()); net.head": "ReLU", "net.add_module('extra', 3)": TypeError,
    "net.add_module('a.b', ReLU())": KeyError, "net.add_module('', ReLU())": KeyError,
    "net.add_module(3, ReLU())": TypeError, "net.add_module('forward', ReLU())": KeyError,
    "net.add_module('scale', ReLU())": KeyError, "net.add_module('training', ReLU())": KeyError,
    "net.register_parameter('p', nn.Parameter(tensor([1.]))); names(net.named_parameters())[:2]":
        ["scale", "p"],
    "net.register_parameter('p', None); (net.p, len(list(net.parameters())))": [None, 7],
    "net.register_parameter('p', tensor([1.]))": TypeError, "net.register_parameter('a.b', None)": KeyError,
    "net.register_parameter('', None)": KeyError, "net.register_parameter('head', None)": KeyError,
    "net.register_parameter(3, None)": TypeError, "net.register_parameter('p', net.scale * 2)": TypeError,
    "net.register_parameter(name='p', param=None); net.p": None,
    "net.register_buffer('b', tensor([5.])); 'b' in net.state_dict()": True,
    "net.register_buffer('b', tensor([5.]), persistent=False); 'b' in net.state_dict()": False,
    "net.register_buffer('b', None); (net.b, 'b' in net.state_dict())": [None, False],
    "net.register_buffer('b', None); net.b = tensor([1.]); net.state_dict()['b']": [1.0],
    "net.register_buffer('count', tensor([7.])); net.count": [7.0],
    "net.register_buffer('scratch', tensor([7.])); 'scratch' in net.state_dict()": True,
    "net.register_buffer('scale', tensor([7.]))": KeyError,
    "net.register_buffer('b', np.zeros(1))": TypeError, "net.register_buffer('b', 3.0)": TypeError,
    "net.register_buffer('a.b', None)": KeyError, "net.register_buffer('eval', None)": KeyError,
    "lin.register_buffer('in_features', None)": KeyError,
    # assigning and deleting
    "lin.weight = tensor([[1.]])": TypeError, "lin.weight = 3": TypeError, "lin.weight = ReLU()": TypeError,
    "lin.bias = None; (lin.bias, names(lin.named_parameters()))": [None, ["weight"]],
    "lin.bias = None; lin.bias = tensor([1.])": TypeError,
    "Linear(1, 1, bias=False).bias = tensor([1.])": TypeError,
    "lin.bias = None; lin.bias = nn.Parameter(tensor([1.])); names(lin.named_parameters())":
        ["weight", "bias"],
    "lin.bias = None; lin(x).shape": [2, 2],
    "nn.BatchNorm1d(2, affine=False).weight = tensor([1.])": TypeError,
    "lin.weight = nn.Parameter(tensor([[1., 1.]])); lin.weight": [[1.0, 1.0]],
    "lin.weight = nn.Parameter(tensor([[1., 1.]])); names(lin.named_parameters())": ["weight", "bias"],
    "net.count = tensor([9.]); net.state_dict()['count']": [9.0], "net.count = 3": TypeError,
    "net.count = None; 'count' in net.state_dict()": False, "net.count = None; net.count = 3.0": TypeError,
    "net.count = nn.Parameter(tensor([1.])); (names(net.named_parameters())[:2], "
    "names(net.named_buffers())[:1])": [["scale", "count"], ["scratch"]],
    "net.head = ReLU(); (net.head, names(net.named_children()))": ["ReLU", ["body", "head"]],
    "net.head = 3": TypeError, "net.head = tensor([1.])": TypeError,
    "net.head = None; (net.head, names(net.named_children()))": [None, ["body"]],
    "net.head = None; net.head = 3": TypeError, "net.head = None; net.head = ReLU(); net.head": "ReLU",
    "net.head = nn.Parameter(tensor([1.])); (names(net.named_children()), "
    "'head' in names(net.named_parameters()))": [["body"], True],
    "net.note = 3; net.note": 3, "net.plain = tensor([1.]); 'plain' in net.state_dict()": False,
    "net.items = [Linear(1, 1)]; len(list(net.children()))": 2,
    "del net.head; (hasattr(net, 'head'), names(net.named_children()))": [False, ["body"]],
    "del lin.bias; names(lin.named_parameters())": ["weight"], "del net.nothing": AttributeError,
    "del net.count; net.count = 3; (net.count, 'count' in net.state_dict())": [3, False],
    "del net.head; net.head = 3; net.head": 3, "del lin.bias; lin.bias = tensor([1.]); lin.bias": [1.0],
    # without super().__init__()
    "class A(nn.Module):\n  def __init__(self): self.fc = Linear(1, 1)\nA()": AttributeError,
    "class A(nn.Module):\n  def __init__(self): self.p = nn.Parameter(tensor([1.]))\nA()": AttributeError,
    "class A(nn.Module):\n  def __init__(self): self.register_buffer('b', tensor([1.]))\nA()": AttributeError,
    "class A(nn.Module):\n  def __init__(self): self.register_parameter('b', None)\nA()": AttributeError,
    "class A(nn.Module):\n  def __init__(self): self.add_module('b', None)\nA()": AttributeError,
    "class A(nn.Module):\n  def __init__(self): self.n = 3\nA().n": 3,
    "class A(nn.Module): pass\nA().training": True, "nn.Module(3)": TypeError, "nn.Module(a=3)": TypeError,
    "nn.Module()(x)": NotImplementedError,
    # copies and types
    "c = copy.deepcopy(net); (c.scale is net.scale, c.scale, names(c.named_buffers())[:3])":
        [False, [2.0], ["count", "scratch", "body.1.running_mean"]],
    "c = copy.deepcopy(tied); c[0] is c[1]": True,
    "c = copy.deepcopy(lin); c.bias = None; lin.bias is None": False,
    "c = copy.deepcopy(net.eval()); modes(c)": [False] * 5, "(net(x) * 0).shape": [2, 1],
    "p = nn.Parameter(tensor([1.])); (p.requires_grad, p.is_leaf, type(p * 2).__name__)":
        [True, True, "Tensor"],
    "p = nn.Parameter(tensor([1.]), requires_grad=False); p.requires_grad": False,
    "nn.Parameter(tensor([1]))": RuntimeError,
    "type(copy.deepcopy(nn.Parameter(tensor([1.])))).__name__": "Parameter",
    "type(nn.Parameter(tensor([1.])).detach()).__name__": "Tensor",
    "isinstance(nn.Parameter(tensor([1.])), torch.Tensor), isinstance(tensor([1.]), nn.Parameter)":
        [True, False],
    "w = net.scale; r = net.double(); (r is net, net.scale is w, net.float().scale is w)": [True, True, True],
    "'64' in str(net.double().scale.dtype), '64' in str(net.count.dtype), "
    "'32' in str(net.float().count.dtype)": [True, True, True],
    "'float16' in str(net.half().body[1].running_mean.dtype)": True,
    "'int64' in str(net.half().body[1].num_batches_tracked.dtype)": True,
    "net.to(tensor([1]).dtype)": TypeError,
    # hooks
    "r = []; lin.register_forward_hook(lambda m, a, o: r.append((m is lin, len(a), tuple(o.shape)))); "
    "lin(x); r": [[True, 1, [2, 2]]],
    "h = lin.register_forward_hook(lambda m, a, o: o * 0); r = lin(x).sum().item(); h.remove(); h.remove(); "
    "r": 0.0,
    "r = []; f = lambda m, a: r.append(1)\na, b = lin.register_forward_pre_hook(f), "
    "lin.register_forward_pre_hook(f)\na.remove(); lin(x); r": [1],
    "lin.register_forward_pre_hook(lambda m, a: a[0] * 0); (lin(x) - lin.bias).abs().sum().item()": 0.0,
    # printing
    "repr(nn.Module()), nn.Module().extra_repr()": ["Module()", ""],
    "class A(nn.Module):\n  def extra_repr(self): return 'k=3'\nrepr(A())": "A(k=3)",
    "class A(Net):\n  def extra_repr(self): return 'k=3'\nrepr(A()).splitlines()[:3]":
        ["A(", "  k=3", "  (body): Sequential("],
    "class A(nn.Module):\n  def extra_repr(self): return 'a\\nb'\nrepr(A())": "A(\n  a\n  b\n)",
    "net.head = None; repr(net).splitlines()[-2:]": ["  (head): None", ")"],
    "str(lin), f'{lin}'": ["Linear(in_features=2, out_features=2, bias=True)"] * 2,
    "lin.bias = None; repr(lin)": "Linear(in_features=2, out_features=2, bias=False)",
    # names that are not there
    "lin.weigth": AttributeError, "hasattr(lin, 'weigth')": False, "getattr(lin, 'nothing', 7)": 7,
    "class A(nn.Module):\n  @property\n  def p(self): return self.nothing\nA().p": AttributeError,
    "class A(nn.Module):\n  @property\n  def p(self): raise ValueError\nA().p": ValueError,
    "nn.Lineer": AttributeError,
    "sorted(n for n in dir(lin) if n in ('weight', 'bias', 'eval'))": ["bias", "eval", "weight"],
}
DIFFERENT = {
    "class A(nn.Module):\n  def __init__(self): self.n = 3\nmodes(A().eval())": ([False], AttributeError),
}
