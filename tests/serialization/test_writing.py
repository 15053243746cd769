"""`cnnkit.save`: PyTorch reads it without running code, and the same contents give the same bytes."""

import io

import numpy as np
import pytest
from damaged_weights import CONTENT

import cnnkit
from cnnkit import nn


def saved(value):
    """A stream with a value, at its beginning."""
    stream = io.BytesIO()
    cnnkit.save(value, stream)
    stream.seek(0)
    return stream


def test_pytorch_reads_it_as_weights_alone():
    torch = pytest.importorskip("torch")
    plain = [1, -5, 2**70, -2**2000, 2.5, "ä\ud800", None, True, (1, ()), {3, 4}, b"a\xff", 1j, [[]],
             {"x": {}}]
    tensors = {name: cnnkit.tensor([[1, 2, 3]], dtype=name) for name in (
        "bool", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16",
        "float32", "float64", "complex64")}
    tensors["turned"] = cnnkit.tensor(np.arange(6.0).reshape(2, 3)).t()
    tensors["complex128"], tensors["none"] = cnnkit.Tensor(np.ones(2, complex)), cnnkit.zeros(0, 3)
    tensors["scalar"] = cnnkit.tensor(1.5)
    content = {**tensors, "plain": plain, "kind": cnnkit.bfloat16, "where": cnnkit.device("cpu"),
               "trained": nn.Parameter(cnnkit.ones(2)), "frozen": nn.Parameter(cnnkit.ones(1), False)}
    back = torch.load(saved(content), weights_only=True)
    for name, value in tensors.items():
        np.testing.assert_array_equal(back[name].numpy(), value.numpy(), strict=True)
    assert back["plain"] == plain
    assert (back["kind"], back["where"]) == (torch.bfloat16, torch.device("cpu"))
    assert isinstance(back["trained"], torch.nn.Parameter)
    assert (back["trained"].requires_grad, back["frozen"].requires_grad) == (True, False)


def test_sixteen_bits_are_pytorchs(backend):
    torch = pytest.importorskip("torch")
    for name in backend.narrow:
        back = torch.load(saved(cnnkit.tensor([1.5, -2.0]).to(dtype=name)), weights_only=True)
        assert (back.dtype, back.tolist()) == (getattr(torch, name), [1.5, -2.0])


def test_a_network_and_its_optimizer_go_on_in_pytorch():
    torch = pytest.importorskip("torch")
    ours = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    adam = cnnkit.optim.Adam(ours.parameters(), 0.1)
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    (ours(cnnkit.tensor(x)) ** 2).sum().backward()
    adam.step()
    back = torch.load(saved({"model": ours.state_dict(), "optimizer": adam.state_dict()}), weights_only=True)
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    theirs.load_state_dict(back["model"])
    torch.optim.Adam(theirs.parameters(), 0.1).load_state_dict(back["optimizer"])
    np.testing.assert_allclose(theirs.eval()(torch.tensor(x)).detach().numpy(),
                               ours.eval()(cnnkit.tensor(x)).detach().numpy(), rtol=1e-5)
    assert back["model"]._metadata == ours.state_dict()._metadata


def test_the_same_contents_give_the_same_bytes():
    assert saved(CONTENT).getvalue() == saved(CONTENT).getvalue()


def test_numbers_lie_at_multiples_of_64_bytes():
    data = saved({"a": cnnkit.full((4,), 1.5), "bb": cnnkit.full((3,), 2.5)}).getvalue()
    for value, count in ((1.5, 4), (2.5, 3)):
        assert data.index(np.full(count, value, "<f4").tobytes()) % 64 == 0


def test_a_container_that_holds_itself_comes_back():
    ring = [1]
    ring.append(ring)
    back = cnnkit.load(saved({"ring": ring}))["ring"]
    assert back[1] is back


def test_a_path_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        cnnkit.save({"x": object()}, path)
    assert path.read_bytes() == b"old"
    cnnkit.save(cnnkit.zeros(2), str(path))
    assert cnnkit.load(path).tolist() == [0, 0]
    assert [file.name for file in tmp_path.iterdir()] == ["x.pt"]


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(("value", "match"), [
    ({"a": [object()]}, r"it\['a'\]\[0\], a object; it saves Tensors"), (-2**2100, "an integer of 263 bytes"),
    (nn.Linear(1, 1), r"give its state_dict\(\)"),
    (np.zeros(2), r"an array of numpy: give cnnkit\.tensor\(array\)"), ({"f": print}, "builtin_function"),
    (frozenset({1}), "make it a set"), (deep(400), "300 deep")])
def test_what_cannot_be_saved_is_named_with_its_place(value, match):
    with pytest.raises(TypeError, match=match):
        saved(value)


def test_something_that_is_no_file_is_refused():
    with pytest.raises(TypeError, match="a path or a file object to write to; got a int"):
        cnnkit.save({}, 3)
