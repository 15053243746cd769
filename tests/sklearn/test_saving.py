"""Saved estimators: one file without code, read back to the same bits, refused where they are damaged."""


import numpy as np
import pytest
from power_cut import Disk, lay_out

pytest.importorskip("sklearn.base", reason="needs scikit-learn: pip install 'cnnkit[sklearn]'")

from cnnkit import optim, safetensors
from cnnkit.data import InputWarning
from cnnkit.models.bundle import read_bundle, write_bundle
from cnnkit.sklearn import CNNClassifier, CNNRegressor

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 3, 6, 5)), RNG.integers(3, size=60)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize(("kind", "y"), [
    (CNNClassifier, Y), (CNNClassifier, np.array(["ä", "bee", "c"])[Y]),
    (CNNClassifier, np.array(["a", "bee", "c"], object)[Y]),
    (CNNClassifier, Y == 1), (CNNRegressor, Y * 1e9), (CNNRegressor, np.stack([Y, -Y], axis=1))],
    ids=["int", "str", "object", "bool", "float", "two"])
def test_a_loaded_estimator_predicts_the_same_and_goes_on_the_same(kind, y, optimizer, tmp_path):
    saved = kind(max_epochs=2, random_state=3, optimizer=optimizer).fit(X, y)
    assert saved.save(tmp_path / "folder" / "net") == tmp_path / "folder" / "net.safetensors"
    loaded = kind.load(tmp_path / "folder" / "net")
    assert loaded.get_params() == saved.get_params()
    np.testing.assert_array_equal(loaded.predict(X), saved.predict(X))
    assert loaded.predict(X).dtype == saved.predict(X).dtype
    assert list(loaded.history_) == list(saved.history_)
    loaded.partial_fit(X, y), saved.partial_fit(X, y)
    for name, value in saved.module_.state_dict().items():
        np.testing.assert_array_equal(loaded.module_.state_dict()[name].numpy(), value.numpy())


def test_feature_names_and_odd_parameters_are_kept(tmp_path):
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    frame = pandas.DataFrame(X.reshape(60, -1)[:, :30], columns=[f"p{i}" for i in range(30)])
    clf = CNNClassifier({"conv": [(4, 3)], "dtype": "float64"}, image_shape=(np.int64(6), 5), max_epochs=1,
                        class_weight={0: 2.0, 2: np.float64(3)}, random_state=np.random.RandomState(0),
                        callbacks=[lambda clf, row: None]).fit(frame, Y)
    clf.save(tmp_path / "net")
    again = CNNClassifier.load(tmp_path / "net")
    np.testing.assert_array_equal(again.predict_proba(frame), clf.predict_proba(frame))
    assert again.class_weight == {0: 2.0, 2: 3.0}
    assert (again.callbacks, again.random_state) == (None, None)
    assert again.feature_names_in_.tolist() == list(frame.columns)


def test_code_cannot_be_saved(tmp_path):
    with pytest.raises(TypeError, match=r"optimizer=.* is code, which no JSON file can hold"):
        CNNClassifier(optimizer=optim.Adam, max_epochs=1).fit(X, Y).save(tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("damage", "error", "message"), [
    (lambda p: p.unlink(), FileNotFoundError, "there is no file .*net.safetensors"),
    (lambda p: p.write_bytes(p.read_bytes()[:-4]), ValueError, "is no whole safetensors file"),
    (lambda p: p.write_bytes(p.read_bytes()[:-4] + b"\0\0\0\0"),
     ValueError, "has been altered since it was saved"),
    (lambda p: safetensors.save_file({}, p, {"settings": "{}"}), ValueError, "has been altered"),
    (lambda p: edit(p, lambda c: c.update(format=9)), ValueError, "it has format 9"),
    (lambda p: edit(p, lambda c: c["fitted"]["layout"].update(shape=[1, 2, 3])), ValueError, "can be used"),
    (lambda p: edit(p, lambda c: c["params"].update(depth=3)), ValueError, "depth"),
    (lambda p: edit(p, lambda c: c["fitted"].pop("pixels")), ValueError, "pixels")])
def test_damaged_files_are_refused(damage, error, message, tmp_path):
    path = CNNClassifier(max_epochs=1).fit(X, Y).save(tmp_path / "net")
    damage(path)
    with pytest.raises(error, match=message):
        CNNClassifier.load(path)


def edit(path, change):
    tensors, content = read_bundle(path)
    change(content)
    write_bundle(path, tensors, content)


def test_a_power_cut_leaves_the_old_estimator_or_the_new_one(tmp_path, monkeypatch):
    old, new = (CNNClassifier(max_epochs=1, random_state=n).fit(X, Y) for n in (0, 1))
    root = tmp_path / "disk"
    before = {"deep/net.safetensors": old.save(root / "deep" / "net").read_bytes()}
    disk = Disk(root)
    with monkeypatch.context() as patch:
        disk.everywhere(patch)
        new.save(root / "deep" / "net")
        new.save(root / "new" / "net")
    disk.check(before)
    found = set()
    for number, state in enumerate(disk.states(before)):
        folder = lay_out(state, tmp_path / str(number))
        found.add(CNNClassifier.load(folder / "deep" / "net").random_state)
        if (folder / "new" / "net.safetensors").exists():
            assert CNNClassifier.load(folder / "new" / "net").random_state == 1
    assert found == {0, 1}


def test_another_estimators_file_is_refused(tmp_path):
    CNNRegressor(max_epochs=1).fit(X, Y).save(tmp_path / "net")
    with pytest.raises(ValueError, match="it holds a CNNRegressor, not a CNNClassifier"):
        CNNClassifier.load(tmp_path / "net")


def test_pixels_of_another_range_than_in_training_are_said_to_be_so_after_loading_too(tmp_path):
    X = np.random.default_rng(0).integers(0, 256, (20, 6, 6), np.uint8)
    clf = CNNClassifier(max_epochs=1, random_state=0).fit(X, np.arange(20) % 2)
    for estimator in (clf, CNNClassifier.load(clf.save(tmp_path / "clf"))):
        estimator.predict(X)
        with pytest.warns(InputWarning, match="as for training, and only once"):
            estimator.predict(X / 255)
