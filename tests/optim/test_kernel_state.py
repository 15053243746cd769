"""What optimizers keep for kernels of their updates, and what a kernel may keep itself."""

import numpy as np
import pytest

import cnnkit
from cnnkit import backends, optim
from cnnkit.ops.update import WRITES


def test_nothing_is_kept_for_kernels_of_the_state_before_a_load():
    p, workspaces = cnnkit.tensor([1.0, 2.0], requires_grad=True), []

    def kernel(params, grads, state, *, workspace, **hyper):
        workspaces.append({key: value for key, value in workspace.items() if key != WRITES})
        workspace["flat"] = True
        return params, {}
    backends.register_table(backends.KernelTable("updates", "numpy", {"sgd": kernel}))
    try:
        with backends.tables("updates"):
            optimizer = optim.SGD([p])
            p.grad = cnnkit.tensor([1.0, 1.0])
            optimizer.step()
            optimizer.step()
            optimizer.load_state_dict(optimizer.state_dict())
            optimizer.step()
    finally:
        backends.register_table(remove="updates")
    assert workspaces == [{}, {"flat": True}, {}]


def flat_sgd(params, grads, state, *, lr, workspace, **settings):
    """What a fast table may do: all parameters in one buffer of its own, changed in place."""
    if any(g is None for g in grads):
        return NotImplemented
    views = workspace.get("views")
    if views is None or any(p is not v for p, v in zip(params, views)):
        buffer = workspace["buffer"] = np.concatenate([p.ravel() for p in params])
        ends = np.cumsum([p.size for p in params])[:-1]
        views = workspace["views"] = [v.reshape(p.shape) for v, p in zip(np.split(buffer, ends), params)]
    workspace["buffer"] -= lr * np.concatenate([g.ravel() for g in grads])
    return views, state


def test_a_table_may_keep_one_flat_buffer_and_write_in_place():
    table = backends.KernelTable("flat", "numpy", {"sgd": flat_sgd}, priority=9)
    backends.register_table(table)
    try:
        with cnnkit.use("flat"):
            params = [cnnkit.tensor(values, requires_grad=True) for values in ([1.0, 2.0], [[3.0]])]
            first, snapshot = params[0].array, params[0].detach().clone()
            optimizer = optim.SGD(params, lr=0.5)
            for _ in range(2):
                optimizer.zero_grad()
                (params[0].sum() + params[1].sum()).backward()
                optimizer.step()
            assert [p.tolist() for p in params] == [[0.0, 1.0], [[2.0]]]
            assert params[0].array.base is params[1].array.base, "both lie in the table's buffer"
            assert first.tolist() == snapshot.tolist() == [1.0,
                                                           2.0], "the array that the user made is not written"
            loss = (params[0] * params[0]).sum()
            for p in params:
                p.grad = cnnkit.Tensor(np.ones_like(p.array))
            optimizer.step()
            with pytest.raises(RuntimeError, match="changed in place"):
                loss.backward()
    finally:
        backends.register_table(remove="flat")
