"""Which files lie in a folder, in which order, and names that can be printed."""

import os

import pytest

from cnnkit.data.filenames import printable, subfolders, visible_files


def make(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def names(root):
    return [str(file.relative_to(root)) for file in visible_files(root)]


def test_the_order_is_that_of_names_folder_by_folder(tmp_path):
    make(tmp_path, "b/2.png", "b/10.png", "a.png", "b.png", "B.png", "b/a/1.png")
    assert names(tmp_path) == ["B.png", "a.png", "b/10.png", "b/2.png", "b/a/1.png", "b.png"]


def test_hidden_names_are_passed_over_at_any_depth(tmp_path):
    make(tmp_path, "a.png", ".b.png", "c/.d/e.png", "c/__MACOSX/f.png", "c/Thumbs.db", "@eaDir/g.png",
         "Desktop.INI", "$RECYCLE.BIN/h.png")
    assert names(tmp_path) == ["a.png"]
    assert [folder.name for folder in subfolders(tmp_path)] == ["c"]


def test_links_are_followed_but_not_in_circles(tmp_path):
    make(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "a" / "circle").symlink_to(tmp_path)
    (tmp_path / "a" / "other").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "self").symlink_to(tmp_path / "b")
    (tmp_path / "c.png").symlink_to(tmp_path / "a" / "1.png")
    (tmp_path / "d.png").symlink_to(tmp_path / "nothing")
    assert names(tmp_path) == ["a/1.png", "a/other/2.png", "b/2.png", "c.png", "d.png"]


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    assert names(tmp_path) == []


@pytest.mark.parametrize(("name", "text"), [
    (b"caf\xc3\xa9 \xf0\x9f\x90\xb1.png", "café 🐱.png"), (b"caf\xe9.png", r"caf\udce9.png"),
    (b"a\nb", r"a\nb")])
def test_a_printable_name_is_text_of_one_line(name, text):
    assert printable(os.fsdecode(name)) == text
