"""Making Tensors from other libraries' data."""

import pytest

import cnnkit
from cnnkit import tensor


def test_a_pytorch_tensor_that_needs_a_gradient_is_taken_without_it():
    torch = pytest.importorskip("torch")
    theirs = torch.tensor([1.0, 2.0], requires_grad=True)
    computed = theirs * 2
    for make in tensor, cnnkit.Tensor, cnnkit.nn.Parameter, lambda t: tensor(t, backend="torch"):
        for data in theirs, computed, torch.nn.Parameter(theirs):
            x = make(data)
            (x * 3).sum()
            assert x.tolist() == data.tolist()
            assert not (x.backend == "torch" and x.array.requires_grad)
    assert tensor([theirs[0], theirs[1]]).tolist() == [1, 2]
    y = tensor([1.0, 1.0], backend="torch") * theirs
    assert not y.requires_grad
    assert not y.array.requires_grad
    layer = cnnkit.nn.Linear(2, 1).to("torch")
    assert not layer(theirs[None]).array.requires_grad
    state = {"weight": torch.nn.Parameter(theirs[None]), "bias": computed[:1]}
    assert layer.load_state_dict(state) == ([], [])
    assert layer.weight.tolist() == [[1, 2]]
