"""Weights by URL: downloaded once, from this machine; see `cnnkit.hub`."""

import hashlib
import http.server
import threading
from functools import partial

import pytest

import cnnkit
from cnnkit import hub


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and counts who came."""

    requests: list = []

    def do_GET(self):
        self.requests.append(self.path)
        super().do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A URL under which a file of weights lies, with the right checksum in its name."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(Quiet, "requests", [])
    folder = tmp_path / "published"
    folder.mkdir()
    cnnkit.save({"weight": cnnkit.tensor([1.0, 2.0])}, folder / "weights.pth")
    data = (folder / "weights.pth").read_bytes()
    name = f"net-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    (folder / name).write_bytes(data)
    (folder / "net-00000000.pth").write_bytes(data)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/{name}"
        server.shutdown()
        thread.join()


def test_a_file_is_downloaded_once_into_pytorchs_folder(published, tmp_path):
    for _ in range(2):
        state = hub.load_state_dict_from_url(published, progress=False, check_hash=True)
        assert state["weight"].tolist() == [1, 2]
    assert len(Quiet.requests) == 1
    name = published.rpartition("/")[2]
    assert [path.name for path in (tmp_path / "torch/hub/checkpoints").iterdir()] == [name]


def test_a_wrong_checksum_is_refused_and_the_file_is_not_kept(published, tmp_path):
    wrong = published.rpartition("/")[0] + "/net-00000000.pth"
    with pytest.raises(ValueError, match="should begin with 00000000"):
        hub.load_state_dict_from_url(wrong, tmp_path / "here", check_hash=True)
    assert [*(tmp_path / "here").iterdir()] == []
    assert "weight" in hub.load_state_dict_from_url(wrong, tmp_path / "here")  # nobody asked to check


def test_who_cannot_download_is_told_where_the_file_belongs(published, tmp_path):
    with pytest.raises(OSError, match=r"put it at .*here.other\.pth"):
        hub.load_state_dict_from_url(f"{published}.missing", tmp_path / "here", file_name="other.pth")
    (tmp_path / "here/other.pth").write_bytes((tmp_path / "published/weights.pth").read_bytes())
    state = hub.load_state_dict_from_url("https://nowhere.invalid/other.pth", tmp_path / "here")
    assert state["weight"].tolist() == [1, 2]


def test_set_dir_says_where_files_are(published, tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "_folder", [])
    hub.set_dir(tmp_path / "mine")
    hub.load_state_dict_from_url(published, file_name="a.pth")
    assert (tmp_path / "mine/checkpoints/a.pth").is_file()
