"""The lines can fail: mistakes put into cnnkit, each noticed by the line that is meant for it."""

import pytest
from pytorch_lines import TABLES, outcome

from cnnkit import Tensor, nn, optim, suggestions
from cnnkit.autograd import as_python, grad_mode, tape, value
from cnnkit.nn import attributes, container, state


def train_flags_only(self, mode=True):
    for module in self.modules():
        module.training = mode
    return self


def train_without_self(self, mode=True):
    original_train(self, mode)


def set_anything(self, name, value):
    object.__setattr__(self, name, value)


def delete_without_renumbering(self, index):
    name, _ = self._items()[self._index_of(index)]
    delattr(self, name)


def insert_at_the_end(self, index, module):
    return self.append(module)


def forget_keys(self, group):
    original_add(self, {k: v for k, v in group.items() if k in ("params", *self.defaults)})


def children_again(self):
    return iter([(n, m) for n, m in vars(self).items() if isinstance(m, nn.Module)])


def set_grad_unchecked(self, grad):
    self._grad = grad


def set_requires_grad_unchecked(self, requires_grad):
    self._requires_grad = requires_grad


def deepcopy_shallow(self, memo):
    return self


def remove_every_hook_alike(self):
    self._remove()


original_train, original_add = nn.Module.train, optim.Optimizer.add_param_group
everything = property(lambda self: self._requires_grad, set_requires_grad_unchecked)

# (owner, attribute, what is wrong in its place, table, the line that notices)
MISTAKES = {
    "train() sets the flags of all modules itself": (
        nn.Module, "train", train_flags_only, "module",
        "nn.Sequential(Linear(1, 1), Frozen(2)).train()[1].training"),
    "train() returns nothing": (
        nn.Module, "train", train_without_self, "module",
        "net.train() is net, net.eval() is net, net.train(False) is net"),
    "attributes are not checked": (
        attributes.Attributes, "__setattr__", set_anything, "module", "lin.weight = tensor([[1.]])"),
    "a module may be assigned before Module.__init__()": (
        attributes, "_check_initialised", lambda module, kind: None, "module",
        "class A(nn.Module):\n  def __init__(self): self.fc = Linear(1, 1)\nA()"),
    "names are not checked": (
        attributes, "_check_name", lambda *a: None, "module", "net.add_module('a.b', ReLU())"),
    "what was deleted is still a buffer": (
        attributes, "_forget", lambda module, name: None, "module",
        "del net.count; net.count = 3; (net.count, 'count' in net.state_dict())"),
    "shared children come twice": (
        nn.Module, "named_children", children_again, "module",
        "names(shared.named_modules()), names(shared.named_children())"),
    "a hook is removed twice": (
        tape.Handle, "remove", remove_every_hook_alike, "tensor",
        "h = t.register_hook(lambda g: g * 10); (t * 2).sum().backward(); h.remove(); h.remove(); t.grad"),
    "num_batches_tracked must be there": (
        state, "_left_out_by_older_versions", lambda *a: set(), "state",
        "net.load_state_dict(weights).missing_keys"),
    "num_batches_tracked is never missing": (
        state, "metadata_of", lambda state_dict: {}, "state",
        "del sd['1.num_batches_tracked']; net.load_state_dict(sd)"),
    "a generator is decorated like a function": (
        grad_mode.inspect, "isgeneratorfunction", lambda f: False, "grad_mode", "list(no_grad()(twice)())"),
    "a coroutine is decorated like a function": (
        grad_mode.inspect, "iscoroutinefunction", lambda f: False, "grad_mode",
        "async def f(): return on()\nasyncio.run(no_grad()(f)())"),
    "a block does not restore the mode": (
        grad_mode._GradMode, "__exit__", lambda self, *exc: None, "grad_mode",
        "with no_grad(): r = on()\n(r, on())"),
    "set_grad_enabled() decorates and switches": (
        grad_mode.set_grad_enabled, "__call__", grad_mode._GradMode.__call__, "grad_mode",
        "f = torch.set_grad_enabled(False)(on); (on(), f(), on())"),
    "arithmetic takes anything": (as_python, "is_operand", lambda value: True, "tensor", "None in d"),
    "comparing takes anything": (Tensor, "__eq__", lambda self, other: self * 0, "tensor", "t == None"),
    "requires_grad is not checked": (
        value.Value, "requires_grad", everything, "tensor", "i.requires_grad = True"),
    "grad is not checked": (
        value.Value, "grad", property(value.Value.grad.fget, set_grad_unchecked), "tensor",
        "d.grad = tensor([1.])"),
    "a Tensor is true if it has elements": (
        as_python.AsPython, "__bool__", lambda self: self.numel() > 0, "tensor", "bool(d)"),
    "a copy is the same Tensor": (
        Tensor, "__deepcopy__", deepcopy_shallow, "tensor",
        "c = copy.deepcopy(t); (c, c.requires_grad, c is t)"),
    "layers are not renumbered": (
        container._Indexed, "__delitem__", delete_without_renumbering, "containers",
        "c = s; del c[0]; shown(c)"),
    "a layer is inserted at the end": (
        container._Indexed, "insert", insert_at_the_end, "containers",
        "c = s; c.insert(0, ReLU()); shown(c)"),
    "an index is not checked": (
        container._Indexed, "_index_of", lambda self, index, last=0: index, "containers",
        "s.insert(4, ReLU())"),
    "a user's keys are dropped": (
        optim.Optimizer, "add_param_group", forget_keys, "optimizer",
        "O = SGD; o = O([{'params': [w], 'name': 'head'}], lr=.1); o.param_groups[0]['name']"),
    "a missing attribute is None": (
        suggestions, "missing", lambda *a: None, "module", "hasattr(lin, 'weigth')"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_noticed_by_its_line(name, monkeypatch):
    owner, attribute, wrong, table, line = MISTAKES[name]
    part = TABLES[table]
    expected = part.LINES[line] if line in part.LINES else part.DIFFERENT[line][0]
    assert outcome(line, part.PREAMBLE, "cnnkit") == expected
    monkeypatch.setattr(owner, attribute, wrong)
    assert outcome(line, part.PREAMBLE, "cnnkit") != expected
