"""Optimizers: what they take as parameters, groups and their keys, state, closures."""

PREAMBLE = """
tensor, SGD, Adam = torch.tensor, optim.SGD, optim.Adam
m = nn.Linear(2, 2)
w, b = m.weight, m.bias
extra = tensor([1.], requires_grad=True)

def keys(group):
    return sorted(k for k in group if k in ("params", "param_names", "name", "lr_scale", "lr"))

def loss():
    return (w * w).sum() + (b * b).sum()
"""
KINDS = {  # of all optimizers alike
    "o = O([{'params': [w], 'name': 'head'}], lr=.1); o.param_groups[0]['name']": "head",
    "o = O([{'params': [w], 'lr_scale': .5}]); (o.param_groups[0]['lr_scale'], keys(o.param_groups[0]))":
        [0.5, ["lr", "lr_scale", "params"]],
    "o = O(m.named_parameters(), lr=.1); (len(o.param_groups[0]['params']), "
    "o.param_groups[0]['param_names'])": [2, ["weight", "bias"]],
    "o = O(m.named_parameters()); (o.param_groups[0]['params'][1] is b, keys(o.param_groups[0]))":
        [True, ["lr", "param_names", "params"]],
    "o = O([{'params': m.named_parameters(), 'lr': .1}]); o.param_groups[0]['param_names']":
        ["weight", "bias"],
    "o = O([{'params': [w]}, {'params': b, 'lr': .5}], lr=.1); [g['lr'] for g in o.param_groups]": [0.1, 0.5],
    "o = O([w]); o.add_param_group({'params': b, 'name': 'x'}); [len(g['params']) for g in o.param_groups]":
        [1, 1],
    "O([{'params': [w]}, {'params': [w]}])": ValueError, "g = m.parameters(); list(g); O(g)": ValueError,
    "O([])": ValueError, "O(iter([]))": ValueError, "O(w)": TypeError, "O(3)": TypeError,
    "O(None)": TypeError, "O(m)": TypeError, "O('ab')": TypeError, "O([3.])": TypeError,
    "O({'params': [w]})": TypeError, "O(nn.Sequential(m))": TypeError, "O([{'params': {w}}])": TypeError,
    "O([w * 2])": ValueError, "O([('a', w), b])": ValueError, "O([b, ('a', w)])": ValueError,
    "O([w]).add_param_group([b])": TypeError, "O([{'lr': 1}])": KeyError,
    "O([w]).add_param_group({'params': [('z', extra)]})": ValueError,
    "O([('a', w)]).add_param_group({'params': [extra]})": ValueError,
    "O([{'params': []}]).param_groups[0]['params']": [], "O([w], lr=-1)": ValueError,
    "O([w], momentun=.1)": TypeError, "O([w], .25).param_groups[0]['lr']": 0.25,
    "len(O(m.parameters()).param_groups[0]['params'])": 2,
    "len(O(p for p in [w, b]).param_groups[0]['params'])": 2, "O([tensor([1.])]).step()": None,
    "len(O(iter([w, b])).param_groups)": 1, "O([w], lr=tensor(.5)).param_groups[0]['lr']": 0.5,
    "O([w], lr=tensor([.1, .2]))": ValueError,
    "lr = tensor(.5); o = O([extra], lr=lr); lr.fill_(0); (extra * 2).sum().backward(); o.step(); extra":
        [1.0],
    # a step
    "O([w]).step()": None, "O([w]).step(lambda: 3)": 3,
    "o = O([w, b], lr=.1); loss().backward(); o.zero_grad(); (w.grad, b.grad)": [None, None],
    "o = O([w, b]); loss().backward(); o.zero_grad(set_to_none=False); b.grad": [0.0, 0.0],
    "o = O([w, b], lr=0.); loss().backward(); before = w.tolist(); o.step(); w.tolist() == before": True,
    "o = O([w, b], lr=.1); o.param_groups[0]['lr'] = 0.; loss().backward(); before = w.tolist(); o.step(); "
    "w.tolist() == before": True,
    "o = O([extra], lr=.5); (extra * 1).sum().backward(); o.step(); round(extra.item(), 4)": 0.5,
    "o = O([extra], lr=.5, maximize=True); (extra * 1).sum().backward(); o.step(); round(extra.item(), 4)":
        1.5,
    "o = O([extra])\ndef c():\n  o.zero_grad(); y = (extra * 3).sum(); y.backward(); return y\n"
    "with torch.no_grad(): r = o.step(c)\n(r.item(), extra.grad)": [3.0, [3.0]],
    "w.requires_grad_(False); o = O([w, b]); (b * b).sum().backward(); o.step(); w.grad": None,
    # state
    "o = O([{'params': [w], 'name': 'h'}], lr=.1); s = o.state_dict(); n = O([w]); n.load_state_dict(s); "
    "(n.param_groups[0]['name'], n.param_groups[0]['lr'])": ["h", 0.1],
    "O(m.named_parameters()).state_dict()['param_groups'][0]['param_names']": ["weight", "bias"],
    "o = O(m.named_parameters()); o.load_state_dict(O(m.parameters(), lr=.5).state_dict()); "
    "(o.param_groups[0]['param_names'], o.param_groups[0]['lr'])": [["weight", "bias"], 0.5],
    "o = O([w, b]); loss().backward(); o.step(); sorted(o.state_dict()['param_groups'][0]['params'])": [0, 1],
    "O([w]).load_state_dict(O([w, b]).state_dict())": ValueError,
    "O([w]).load_state_dict(O([{'params': [w]}, {'params': [b]}]).state_dict())": ValueError,
    "'name: h' in repr(O([{'params': [w], 'name': 'h'}]))": True,
    "repr(O([{'params': [w]}, {'params': [b]}])).count('Parameter Group')": 2, "O([w]).lr": AttributeError,
}
LINES = {
    **{f"O = {kind}; {line}": value for kind in ("SGD", "Adam", "optim.AdamW")
       for line, value in KINDS.items() if kind != "optim.AdamW" or "round" not in line},
    "o = SGD([extra], lr=.5, momentum=.9)\nfor _ in range(2): o.zero_grad(); (extra * 1).sum().backward(); "
    "o.step()\nround(extra.item(), 4)": -0.45,
    "o = Adam([extra], lr=.5); (extra * 1).sum().backward(); o.step(); sorted(o.state_dict()['state'][0])":
        ["exp_avg", "exp_avg_sq", "step"],
    "o = SGD([w, b], momentum=.9); loss().backward(); o.step(); (w in o.state, len(o.state))": [True, 2],
    "optim.Sgd": AttributeError, "optim.RMSprop([w]) and 1": 1,
    "o = optim.RMSprop([extra], lr=.1); (extra * 1).sum().backward(); o.step(); round(extra.item(), 4)": 0.0,
    "o = optim.RMSprop([w, b], momentum=.9, centered=True); loss().backward(); o.step(); "
    "sorted(o.state_dict()['state'][0])": ["grad_avg", "momentum_buffer", "square_avg", "step"],
    "o = optim.NAdam([w, b]); loss().backward(); o.step(); sorted(o.state_dict()['state'][0])":
        ["exp_avg", "exp_avg_sq", "mu_product", "step"],
    "optim.RMSprop([w], alpha=-1)": ValueError, "optim.Adadelta([w], rho=2)": ValueError,
    "optim.Rprop([w], etas=(1.5, 2))": ValueError, "optim.NAdam([w], momentum_decay=-1)": ValueError,
    "optim.Adamax([w], betas=(1, .9))": ValueError, "optim.Adagrad([w], lr_decay=-1)": ValueError,
    "optim.Muon([b])": ValueError, "optim.Muon([w], adjust_lr_fn='x')": ValueError,
    "SGD([w], foreach=True) and 1": 1, "optim.AdamW([w], fused=True, foreach=True)": RuntimeError,
    "Adam([w], capturable=True, foreach=False) and 1": 1,
    "Adam([extra], decoupled_weight_decay=True).param_groups[0]['decoupled_weight_decay']": True,
}
DIFFERENT = {
    "SGD([w, w]) and 1": (ValueError, 1), "SGD([{'params': [w], 'lr': -1}]) and 1": (ValueError, 1),
    "o = SGD([{'params': [w], 'name': 'h'}]); o.load_state_dict(SGD([w]).state_dict()); "
    "o.param_groups[0].get('name')": ("h", None),
}
