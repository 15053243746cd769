"""Sequential, ModuleList, ModuleDict and ParameterList: editing them, and the names that follow."""

PREAMBLE = """
import collections
tensor, OrderedDict, ReLU, Tanh = torch.tensor, collections.OrderedDict, nn.ReLU, nn.Tanh

def L(width):
    return nn.Linear(1, width)

def shown(s):
    "Names, and widths or classes, of the layers."
    return [[n for n, _ in s.named_children()], [getattr(m, "out_features", type(m).__name__) for m in s]]

def sizes(p):
    return [[n for n, _ in p.named_parameters()], [v.numel() for v in p]]

s = nn.Sequential(L(1), L(2), L(3))
named = nn.Sequential(OrderedDict(a=L(1), b=L(2)))
m = nn.ModuleList([L(1), L(2), L(3)])
d = nn.ModuleDict({"a": L(1), "b": L(2)})
p = nn.ParameterList([nn.Parameter(tensor([1.])), nn.Parameter(tensor([1., 2.]))])
x = tensor([[2.]])
"""
EDITS = {  # of a Sequential and of a ModuleList alike
    "del c[0]; shown(c)": [["0", "1"], [2, 3]], "del c[-1]; shown(c)": [["0", "1"], [1, 2]],
    "del c[1:]; shown(c)": [["0"], [1]], "del c[::2]; shown(c)": [["0"], [2]], "del c[:]; len(c)": 0,
    "del c[5]": IndexError, "del c[-4]": IndexError, "del c['0']": TypeError,
    "c.insert(1, ReLU()); shown(c)": [["0", "1", "2", "3"], [1, "ReLU", 2, 3]],
    "c.insert(3, ReLU()); shown(c)": [["0", "1", "2", "3"], [1, 2, 3, "ReLU"]],
    "c.insert(0, ReLU()); shown(c)": [["0", "1", "2", "3"], ["ReLU", 1, 2, 3]],
    "r = c[1]; (c.pop(1) is r, shown(c))": [True, [["0", "1"], [1, 3]]],
    "c.pop(-1); shown(c)": [["0", "1"], [1, 2]], "c.pop(5)": IndexError, "c.pop('0')": TypeError,
    "c[1] = ReLU(); shown(c)": [["0", "1", "2"], [1, "ReLU", 3]],
    "c[-1] = ReLU(); shown(c)": [["0", "1", "2"], [1, 2, "ReLU"]], "c[5] = ReLU()": IndexError,
    "c[0] = 3": TypeError, "c['1'] = ReLU()": TypeError, "c[0:1] = [ReLU()]": TypeError,
    "c[0] = tensor([1.])": TypeError,
    "c.append(ReLU()) is c, shown(c)": [True, [["0", "1", "2", "3"], [1, 2, 3, "ReLU"]]],
    "c.append(3)": TypeError,
    "c.extend([ReLU(), Tanh()]) is c, shown(c)[1]": [True, [1, 2, 3, "ReLU", "Tanh"]],
    "c.extend(3)": TypeError, "c.extend(iter([ReLU()])); shown(c)[1]": [1, 2, 3, "ReLU"],
    "c.extend(nn.Sequential(ReLU())); shown(c)[1]": [1, 2, 3, "ReLU"],
    "shown(c[::-1])[1], shown(c[-2:])[1], len(c[5:])": [[3, 2, 1], [2, 3], 0], "c[7]": IndexError,
    "c[-4]": IndexError, "c['0']": TypeError, "c[1.0]": TypeError,
    "c[True].out_features, c[tensor(1)].out_features": [2, 2],
    "type(c[1:]) is type(c), c[1:][0] is c[1]": [True, True], "c[1] in c, ReLU() in c": [True, False],
    "len(c), bool(c), bool(type(c)())": [3, True, False], "[v.out_features for v in reversed(c)]": [3, 2, 1],
    "list(c) == list(c.children())": True,
    "c.add_module('x', ReLU()); del c[0]; shown(c)": [["0", "1", "2"], [2, 3, "ReLU"]],
    "c.x = ReLU(); c.append(Tanh()); shown(c)": [["0", "1", "2", "x", "4"], [1, 2, 3, "ReLU", "Tanh"]],
    "c.reverse()": AttributeError,
    "del c[0]; list(c.state_dict())": ["0.weight", "0.bias", "1.weight", "1.bias"],
    "c.insert(0, c.pop(2)); shown(c)": [["0", "1", "2"], [3, 1, 2]],
    "c.eval(); del c[0]; [v.training for v in c.modules()]": [False, False, False],
}
LINES = {
    **{f"c = {kind}; {line}": value for kind in "sm" for line, value in EDITS.items()},
    # Sequential
    "s.insert(-1, ReLU()); shown(s)[1]": [1, 2, "ReLU", 3], "s.insert(4, ReLU())": IndexError,
    "s.insert(-4, ReLU())": IndexError, "s.insert(-3, ReLU()); shown(s)[1]": ["ReLU", 1, 2, 3],
    "s.add_module('x', ReLU()); (len(s), s.x is s[3])": [4, True], "s.insert(1.0, ReLU())": TypeError,
    "s.insert(index=0, module=ReLU()) is s": True, "shown(s[1:])": [["1", "2"], [2, 3]],
    "shown(s + nn.Sequential(ReLU()))": [["0", "1", "2", "3"], [1, 2, 3, "ReLU"]],
    "r = s; s += nn.Sequential(ReLU()); (r is s, shown(s)[1])": [True, [1, 2, 3, "ReLU"]],
    "s + 3": ValueError, "s + [ReLU()]": ValueError, "s + m": ValueError,
    "t = s + s; (t is s, len(s), t[0] is t[3])": [False, 3, True],
    "len(s * 2), len(2 * s), (s * 2)[3] is s[0]": [6, 6, True], "s *= 2; len(s)": 6, "s * 0": ValueError,
    "s * 1.5": TypeError, "shown(named), named.a is named[0]": [[["a", "b"], [1, 2]], True],
    "del named[0]; shown(named)": [["0"], [2]], "named.pop(0); shown(named)": [["0"], [2]],
    "named.append(ReLU()); shown(named)": [["a", "b", "2"], [1, 2, "ReLU"]], "shown(named[1:])": [["b"], [2]],
    "named[0] = ReLU(); shown(named)": [["a", "b"], ["ReLU", 2]],
    "named.b = ReLU(); shown(named)[1]": [1, "ReLU"], "nn.Sequential(ReLU)": TypeError,
    "nn.Sequential(3)": TypeError, "nn.Sequential([ReLU()])": TypeError,
    "nn.Sequential(OrderedDict(a=3))": TypeError, "nn.Sequential()(x)": [[2.0]],
    "nn.Sequential(OrderedDict([('a.b', ReLU())]))": KeyError,
    "nn.Sequential(OrderedDict([('forward', ReLU())]))": KeyError,
    "s[2] = ReLU(); del s[0:2]; s(tensor([-1., 1.]))": [0.0, 1.0],
    "s = nn.Sequential(ReLU(), L(2)); s.insert(1, Tanh()); s(x).shape": [1, 2],
    "class B(nn.Sequential):\n  def __init__(self): super().__init__(ReLU(), Tanh())\nlen(B()), B()[0]":
        [2, "ReLU"],
    "s.named_children; repr(s[:1])":
        "Sequential(\n  (0): Linear(in_features=1, out_features=1, bias=True)\n)",
    # ModuleList
    "shown(m[1:])": [["0", "1"], [2, 3]],
    "r = m; m += [ReLU()]; (r is m, shown(m)[1])": [True, [1, 2, 3, "ReLU"]],
    "t = m + [ReLU()]; (type(t) is nn.ModuleList, len(t), len(m))": [True, 4, 3], "[ReLU()] + m": TypeError,
    "shown(nn.ModuleList(m)), len(nn.ModuleList()), len(nn.ModuleList(None))":
        [[["0", "1", "2"], [1, 2, 3]], 0, 0],
    "len(nn.ModuleList(L(1) for _ in range(2)))": 2, "nn.ModuleList(L(1))": TypeError,
    "nn.ModuleList(3)": TypeError, "m(x)": NotImplementedError, "m.pop(slice(0, 2)); shown(m)": [["0"], [3]],
    "len(list(m.parameters()))": 6,
    # ModuleDict
    "list(d), len(d), 'a' in d, 'z' in d, 1 in d, bool(nn.ModuleDict())":
        [["a", "b"], 2, True, False, False, False],
    "list(d.keys()), [v.out_features for v in d.values()], [k for k, _ in d.items()]":
        [["a", "b"], [1, 2], ["a", "b"]],
    "d.a is d['a'], d['b'].out_features": [True, 2], "d['z']": KeyError, "del d['z']": KeyError,
    "d.pop('z')": KeyError, "d['c'] = ReLU(); list(d)": ["a", "b", "c"],
    "d['a'] = ReLU(); (list(d), d.a)": [["a", "b"], "ReLU"], "d['c'] = 3": TypeError,
    "d['c.d'] = ReLU()": KeyError, "d[''] = ReLU()": KeyError, "d[1] = ReLU()": TypeError,
    "d['keys'] = ReLU()": KeyError, "d['training'] = ReLU()": KeyError, "del d['a']; list(d)": ["b"],
    "d.pop('a').out_features, list(d), hasattr(d, 'a')": [1, ["b"], False], "d.clear(); len(d)": 0,
    "d.update({'c': ReLU(), 'a': Tanh()}); [[k, type(v).__name__] for k, v in d.items()]":
        [["a", "Tanh"], ["b", "Linear"], ["c", "ReLU"]],
    "d.update([['c', ReLU()], ('e', Tanh())]); list(d)": ["a", "b", "c", "e"],
    "d.update(d); list(d)": ["a", "b"], "d.update(nn.ModuleDict({'c': ReLU()})); list(d)": ["a", "b", "c"],
    "d.update(3)": TypeError, "d.update([3])": TypeError, "d.update([('a',)])": ValueError,
    "d.update({})": None, "d(x)": NotImplementedError,
    "list(nn.ModuleDict([('x', ReLU())])), list(nn.ModuleDict(OrderedDict(z=ReLU(), y=ReLU())))":
        [["x"], ["z", "y"]],
    "list(d.state_dict())": ["a.weight", "a.bias", "b.weight", "b.bias"], "len(list(d.parameters()))": 4,
    "repr(nn.ModuleDict({'k': ReLU()}))": "ModuleDict(\n  (k): ReLU()\n)",
    # ParameterList
    "sizes(p), len(p), list(p.state_dict())": [[["0", "1"], [1, 2]], 2, ["0", "1"]],
    "p.append(tensor([1., 2., 3.])); (sizes(p), type(p[2]).__name__)":
        [[["0", "1", "2"], [1, 2, 3]], "Parameter"],
    "p.extend([tensor([1., 2., 3.])]) is p, sizes(p)": [True, [["0", "1", "2"], [1, 2, 3]]],
    "r = p; p += [tensor([1., 2., 3.])]; (r is p, len(p))": [True, 3],
    "p[0] = tensor([1., 2., 3.]); sizes(p)": [["0", "1"], [3, 2]],
    "p[-1] = tensor([1., 2., 3.]); (sizes(p), type(p[1]).__name__)": [[["0", "1"], [1, 3]], "Parameter"],
    "p[9] = tensor([1.])": IndexError, "p[9]": IndexError, "p[-1]": [1.0, 2.0],
    "q = nn.Parameter(tensor([7.])); p[0] = q; p[0] is q": True, "sizes(p[1:])": [["0"], [2]],
    "p.extend(3)": TypeError, "p.extend(tensor([1.]))": TypeError,
    "nn.ParameterList(tensor([1.]))": TypeError, "len(nn.ParameterList())": 0,
    "[v.requires_grad for v in p]": [True, True],
    "sum((v * v).sum() for v in p).backward(); p[1].grad": [2.0, 4.0],
}
DIFFERENT = {
    "s.extend(s); len(s)": (6, RuntimeError), "m.extend(m); len(m)": (6, RuntimeError),
    "m.add_module('x', ReLU()); m.x is m[3]": (True, KeyError),
    "m.insert(-1, ReLU()); shown(m)[1]": ([1, 2, "ReLU", 3], KeyError),
    "named.insert(0, ReLU()); shown(named)": ([["0", "1", "2"], ["ReLU", 1, 2]], KeyError),
    "nn.Sequential({'a': L(1)}).a.out_features": (1, TypeError), "s[0] = None": (TypeError, None),
    "s.pop().out_features": (3, TypeError), "s.insert(0, 3)": (TypeError, AssertionError),
    "m.insert(0, 3)": (TypeError, None), "p.pop(0)": ([1.0], AttributeError),
    "nn.ParameterList([3])[0]": (TypeError, 3),
}
