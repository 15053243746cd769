"""`cnnkit.load`: PyTorch's files of both forms as they were saved, without running code; all else by name."""

import io
import pickle
from collections import Counter, OrderedDict

import numpy as np
import pytest
from damaged_weights import CONTENT, old_form, parts, zipped

import cnnkit
from cnnkit import models, nn, safetensors
from cnnkit.serialization import opcodes
from cnnkit.serialization.program import Program
from cnnkit.storage import FormatError


def same(one, other):
    """Whether two contents are equal, Tensors included."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        return all(same(one[key], other[key]) for key in one)
    if isinstance(one, cnnkit.Tensor):
        return one.dtype == other.dtype and np.array_equal(one.detach().numpy(), other.detach().numpy())
    return one == other


@pytest.mark.parametrize("form", ["zip", "old"])
def test_both_forms_come_back_from_paths_and_file_objects(tmp_path, form):
    program, storages, counts = parts()
    data = zipped(program, storages) if form == "zip" else old_form(program, storages, counts)
    (tmp_path / "x.pth").write_bytes(data)
    for file in (tmp_path / "x.pth", str(tmp_path / "x.pth"), io.BytesIO(data)):
        back = cnnkit.load(file)
        assert same(back, CONTENT)
        assert back["state"]._metadata == CONTENT["state"]._metadata


def test_what_pytorch_saves_comes_back():
    torch = pytest.importorskip("torch")
    whole = torch.arange(24.0).reshape(4, 6)
    content = {"whole": whole, "turned": whole.t(), "part": whole[1:3, ::2], "wide": torch.ones(1).expand(3),
               "none": torch.zeros(0, 3), "scalar": torch.tensor(2.5), "bool": torch.tensor([True, False]),
               "parameter": torch.nn.Parameter(torch.ones(2)), "complex": torch.ones(1).to(torch.complex128),
               **{name: torch.tensor([1, 2]).to(getattr(torch, name)) for name in (
                   "int8", "uint8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "float16",
                   "float32", "float64", "bfloat16", "float8_e4m3fn", "float8_e5m2", "complex64")}}
    plain = {"list": [1, 2.5, "x", None, True, (1, 2), {3, 4}, b"ab", 2**70, 1j], "counter": Counter({30: 1}),
             "ordered": OrderedDict(a=1), "size": torch.Size([1, 2]), "kind": torch.float16,
             "device": torch.device("cuda:1"), "elsewhere": torch.device("xpu")}
    for options in ({}, {"_use_new_zipfile_serialization": False}, {"pickle_protocol": 4}):
        stream = io.BytesIO()
        torch.save({**content, **plain}, stream, **options)
        stream.seek(0)
        with cnnkit.use("numpy"):
            back = cnnkit.load(stream)
        for name, value in content.items():
            narrow = name in ("bfloat16", "float8_e4m3fn", "float8_e5m2")
            expected = value.detach().float() if narrow else value.detach()
            np.testing.assert_array_equal(back[name].detach().numpy(), expected.numpy(), strict=True)
        assert isinstance(back["parameter"], nn.Parameter)
        assert back["parameter"].requires_grad
        assert (back["list"], back["counter"], back["ordered"]) == (
            plain["list"], plain["counter"], plain["ordered"])
        assert (back["size"], back["kind"]) == ((1, 2), "float16")
        assert (back["device"], back["elsewhere"]) == (cnnkit.device("cuda:1"), "xpu")


def test_a_whole_checkpoint_of_pytorch_goes_on_here():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(theirs.parameters(), 0.1)
    x = torch.ones(4, 3) * torch.arange(4.0)[:, None]
    theirs(x).square().sum().backward()
    optimizer.step()
    stream = io.BytesIO()
    torch.save({"model": theirs.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 7}, stream)
    stream.seek(0)
    saved = cnnkit.load(stream)
    ours = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    ours.load_state_dict(saved["model"])
    adam = cnnkit.optim.Adam(ours.parameters(), 0.1)
    adam.load_state_dict(saved["optimizer"])
    assert (saved["epoch"], adam.state_dict()["state"][0]["step"]) == (7, 1)
    np.testing.assert_allclose(ours.eval()(cnnkit.tensor(x.numpy())).detach().numpy(),
                               theirs.eval()(x).detach().numpy(), rtol=1e-5)


def test_one_tensor_by_two_names_stays_one():
    shared = cnnkit.tensor([1.0, 2.0])
    stream = io.BytesIO()
    cnnkit.save({"a": shared, "b": [shared]}, stream)
    stream.seek(0)
    back = cnnkit.load(stream)
    assert back["a"] is back["b"][0]


def test_safetensors_and_saved_models_are_dicts_of_tensors(tmp_path):
    model = models.CommonCNN((1, 8, 8))
    path = models.save_model(model, tmp_path / "net")
    for data in (path, safetensors.save_file(model.state_dict(), tmp_path / "x.pt"),
                 io.BytesIO(path.read_bytes())):
        state = cnnkit.load(data)
        assert models.CommonCNN((1, 8, 8)).load_state_dict(state).missing_keys == []


def test_a_safetensors_file_whose_length_begins_as_a_pickle_is_one(tmp_path):
    for padding in range(128):
        path = safetensors.save_file({"x": cnnkit.zeros(1)}, tmp_path / "x", {"padding": "." * padding})
        assert list(cnnkit.load(path)) == ["x"]
        if path.read_bytes()[:1] == b"\x80":
            return
    raise AssertionError("no file begins with a byte of 128")


def test_tensors_are_made_on_the_backend_in_use(backend):
    program, storages, _ = parts()
    state = cnnkit.load(io.BytesIO(zipped(program, storages)))["state"]
    assert {value.backend for value in state.values()} == {cnnkit.zeros(1).backend}


@pytest.mark.parametrize("where", ["cpu", cnnkit.device("cpu"), {"cpu": "cpu"}, {}, None,
                                   lambda storage, location: storage, lambda storage, location: location,
                                   lambda storage, location: storage.cpu()])
def test_map_location_is_taken_as_pytorch_takes_it(where):
    program, storages, _ = parts()
    assert same(cnnkit.load(io.BytesIO(zipped(program, storages)), where), CONTENT)


def test_a_device_that_is_not_here_and_a_map_of_another_kind_are_errors():
    program, storages, _ = parts()
    data = zipped(program, storages)
    for where, match in (("xpu", "no device 'xpu'"), ({"cpu": "xpu"}, "no device 'xpu'"),
                         (lambda storage, location: "xpu", "no device 'xpu'")):
        with pytest.raises(RuntimeError, match=match):
            cnnkit.load(io.BytesIO(data), where)
    with pytest.raises(TypeError, match="got a int"):
        cnnkit.load(io.BytesIO(data), 3)


class Evil:
    def __reduce__(self):
        return print, ("code",)


@pytest.mark.parametrize(("data", "match"), [
    (pickle.dumps(Evil()), r"builtins\.print"), (zipped(pickle.dumps(Evil(), 2), []), r"builtins\.print"),
    (zipped(b"ctorch.nn.modules.linear\nLinear\n)\x81.", []), r"nn\.modules\.linear\.Linear.*state_dict"),
    (pickle.dumps({"a": 1}, 2), "is a pickle, and none of PyTorch's"),
    (zipped(b"}.", [], **{"constants.pkl": b"", "code/x.py": b""}), "TorchScript"),
    (zipped(b"}.", [], ("x.pkl", "data/")), "no archive of PyTorch's"),
    (zipped(b"}.", [], compression=8), "compressed"),
    (zipped(b"}.", []).replace(b"little", b"big   "), "damaged"),
    (b"\0" * 257 + b"ustar" + b"\0" * 300, r"tar archive.*0\.1\.10"),
    (b"", "neither a PyTorch file nor a safetensors file"), (b"hello, world", "neither"),
    (zipped(b"ctorch\nFloatStorage\n.", []), "a storage or a class by itself"),
    (zipped(b"ctorch\nQInt8Storage\n.", []), "QInt8Storage"),
    (zipped(parts()[0], parts()[1][:-1]), "storage '7' is missing"),
    (zipped(parts()[0], [data[:-1] for data in parts()[1]]), "needs 216 bytes, and 215 are there")])
def test_what_is_not_weights_is_named(tmp_path, data, match, capsys):
    (tmp_path / "x.pt").write_bytes(data)
    with pytest.raises(FormatError, match=rf"x\.pt.*{match}"):
        cnnkit.load(tmp_path / "x.pt")
    assert capsys.readouterr().out == ""


def test_a_numpy_archive_is_told_where_it_belongs(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros(1))
    with pytest.raises(FormatError, match=r"NumPy archive; cnnkit\.data\.datasets\.npz"):
        cnnkit.load(tmp_path / "x.npz")


def test_much_made_of_little_is_refused_before_memory_is_taken():
    maker = Program()
    program = maker.of(cnnkit.zeros(2))
    one_axis, step = b"(J\x02\x00\x00\x00t", b"(J\x01\x00\x00\x00t"
    wide = program.replace(one_axis + step, b"(J\xff\xff\xff\x7ft(J\x00\x00\x00\x00t")
    assert wide != program
    with pytest.raises(FormatError, match="CNNKIT_LIMIT_ARRAY_BYTES"):
        cnnkit.load(io.BytesIO(zipped(wide, maker.storages)))


def test_containers_and_remembered_values_are_counted(monkeypatch):
    monkeypatch.setattr(opcodes, "MOST", 10)
    for program in (b"}" * 11 + b".", b")" * 11 + b".", b"\x8f" * 11 + b".", b"N" + b"\x94" * 11 + b"."):
        with pytest.raises(FormatError, match="more than 10 "):
            cnnkit.load(io.BytesIO(zipped(program, [])))
    assert cnnkit.load(io.BytesIO(zipped(b"}" * 10 + b".", []))) == {}


def test_code_is_never_an_option(tmp_path):
    with pytest.raises(ValueError, match="never runs code"):
        cnnkit.load(tmp_path / "x.pt", weights_only=False)


def test_a_file_that_is_not_there_and_an_object_that_is_no_file_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.pt"):
        cnnkit.load(tmp_path / "none.pt")
    for thing in (3, io.StringIO("x")):
        with pytest.raises(TypeError, match="file object that gives bytes"):
            cnnkit.load(thing)
