"""The state of modules: names, copies, what is missing, and files without num_batches_tracked."""

PREAMBLE = """
import collections, copy
tensor = torch.tensor
net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
lin = nn.Linear(2, 1)
tied = nn.Sequential(lin, lin)
sd = net.state_dict()
weights = {k: v for k, v in sd.items() if 'num_batches' not in k}

def trained():
    net(tensor([[1., 2.], [3., 5.]]))
    return net

def tracked():
    return net[1].num_batches_tracked.item()
"""
LINES = {
    "list(sd)":
        ["0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var",
         "1.num_batches_tracked"],
    "list(net.state_dict(prefix='a.'))[:2]": ["a.0.weight", "a.0.bias"],
    "list(tied.state_dict())": ["0.weight", "0.bias", "1.weight", "1.bias"],
    "type(sd).__name__": "OrderedDict", "sd['0.weight'].requires_grad, sd['0.weight'].is_leaf": [False, True],
    "v = net.state_dict(keep_vars=True)['0.weight']; (v is net[0].weight, v.requires_grad)": [True, True],
    "list(net.state_dict(destination=collections.OrderedDict(a=1)))[:2]": ["a", "0.weight"],
    "{k: v['version'] for k, v in sd._metadata.items()}": {"": 1, "0": 1, "1": 2},
    "list(net.state_dict(prefix='a.')._metadata)": ["a", "a.0", "a.1"],
    "class A(nn.Module):\n  def state_dict(self, **k): return k['destination']\nlist(nn.Sequential(A(), "
    "nn.Linear(1, 1)).state_dict())": ["1.weight", "1.bias"],
    # in the model's memory
    "with torch.no_grad(): net[0].bias.fill_(9)\nsd['0.bias']": [9.0, 9.0],
    "for v in sd.values(): v *= 0\nnet[0].bias": [0.0, 0.0],
    "trained(); sd['1.num_batches_tracked'].item()": 1,
    "old = copy.deepcopy(sd); trained(); old['1.num_batches_tracked'].item()": 0,
    # loading
    "r = net.load_state_dict(sd); (r.missing_keys, r.unexpected_keys, repr(r))":
        [[], [], "<All keys matched successfully>"],
    "missing, unexpected = net.load_state_dict({}, strict=False); (len(missing), unexpected)": [6, []],
    "r = net.load_state_dict({**sd, 'z': tensor([1.])}, strict=False); (r.missing_keys, r.unexpected_keys)":
        [[], ["z"]],
    "net.load_state_dict({})": RuntimeError, "net.load_state_dict({**sd, 'z': tensor([1.])})": RuntimeError,
    "net.load_state_dict({**sd, '0.bias': tensor([1.])})": RuntimeError,
    "net.load_state_dict({**sd, '0.bias': tensor([1.])}, strict=False)": RuntimeError,
    "net.load_state_dict(3)": TypeError, "net.load_state_dict([1])": TypeError,
    "net.load_state_dict({**sd, '0.bias': 3})": RuntimeError,
    "net.load_state_dict({**sd, '0.bias': tensor([3., 4.])}); net[0].bias": [3.0, 4.0],
    "net.load_state_dict({**sd, '0.bias': tensor([3., 4.]).double()}); "
    "net[0].bias.dtype == net[0].weight.dtype": True,
    "w = net[0].weight; net.load_state_dict(sd); (net[0].weight is w, w.requires_grad)": [True, True],
    "net.load_state_dict({**sd, '0.bias': nn.Parameter(tensor([3., 4.]))}); net[0].bias.requires_grad": True,
    "net.load_state_dict(net.state_dict(keep_vars=True)).missing_keys": [],
    "tied.load_state_dict(tied.state_dict()).missing_keys": [],
    "net.load_state_dict({**sd, '1.num_batches_tracked': tensor([5])}); tracked()": 5,
    # num_batches_tracked is younger than many files
    "net.load_state_dict(weights).missing_keys": [], "trained().load_state_dict(weights); tracked()": 1,
    "nn.Sequential(net).load_state_dict({f'0.{k}': v for k, v in weights.items()}).missing_keys": [],
    "del sd['1.num_batches_tracked']; net.load_state_dict(sd)": RuntimeError,
    "del sd['1.num_batches_tracked']; sd._metadata['1']['version'] = 1; net.load_state_dict(sd).missing_keys":
        [],
    "del sd['1.running_mean']; net.load_state_dict(dict(sd))": RuntimeError,
    "net.load_state_dict(weights, strict=False).missing_keys": [],
}
DIFFERENT = {
    "net.load_state_dict({**sd, '0.bias': np.ones(2, 'f')}); net[0].bias": ([1.0, 1.0], RuntimeError),
}
