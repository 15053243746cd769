"""Tables of labels are read under whatever names their columns have; mistakes are named by line."""

import os

import pytest

from cnnkit.data.label_table import class_numbers, read_label_table


@pytest.fixture
def rows(tmp_path):
    def read(content, **columns):
        file = tmp_path / "labels.csv"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return [(row.name, row.label, row.split) for row in read_label_table(file, **columns)]
    return read


@pytest.mark.parametrize("heading", [
    "filename,label", "File,Class", "label;image", "category\tpath", "Image ID,Class Name", "image_id,y",
    "note,filename,target", "id,filename,label,class"])
def test_usual_headings_are_known(rows, heading):
    delimiter = next(mark for mark in ";\t," if mark in heading)
    names = heading.split(delimiter)
    cells = {"filename": "1.png", "label": "cat", "class": "x", "id": "9", "note": "n", "Image ID": "1.png"}
    usual = {**dict.fromkeys(("File", "image", "path", "image_id"), "1.png"),
             **dict.fromkeys(("Class", "category", "Class Name", "y", "target"), "cat")}
    row = delimiter.join({**cells, **usual}[name] for name in names)
    assert rows(f"{heading}\n{row}\n") == [("1.png", "cat", None)]


@pytest.mark.parametrize(("content", "expected"), [
    ("a.png,cat\nb.jpg,dog\n", [("a.png", "cat", None), ("b.jpg", "dog", None)]),  # no headings
    ("\ufefffile,label\r\na.png, cat \r\n\r\n", [("a.png", "cat", None)]),
    ('file,label\n"a,b.png","the ""cat"""\n', [("a,b.png", 'the "cat"', None)]),
    ("file,label,Split\na,cat,Train\n", [("a", "cat", "Train")]),
    (b"file,label\ncaf\xe9.png,cat\n", [(os.fsdecode(b"caf\xe9.png"), "cat", None)]),
])
def test_what_programs_write_is_read(rows, content, expected):
    assert rows(content) == expected


def test_columns_may_be_named(rows):
    text = "photo,animal,where\na,cat,train\n"
    columns = {"file_column": "photo", "label_column": "animal"}
    assert rows(text, **columns) == [("a", "cat", None)]
    assert rows(text, **columns, split_column="where") == [("a", "cat", "train")]
    with pytest.raises(ValueError, match=r"file_column='foto': .*csv has the columns photo, animal, where"):
        rows(text, file_column="foto")


@pytest.mark.parametrize(("content", "match"), [
    ("", "labels.csv is empty"), ("file,label\n", "no rows below its headings"),
    ("photo,label\na,b\n", "columns photo, label; say with file_column= which one has the file names"),
    ("file,animal\na,b\n", "columns file, animal; say with label_column= which one has the labels"),
    ("file,label\na.png,cat\nb.png\n", "line 3 has no label; complete or remove it"),
    ("file,label\n,cat\n", "line 2 has no file name"),
    ("file,label,split\na,cat,\n", "line 2 has no part"),
    ("file,label\na,b\n".encode("utf-16"), "no CSV file in UTF-8: it holds zero bytes"),
])
def test_mistakes_are_named(rows, content, match):
    with pytest.raises(ValueError, match=match):
        rows(content)


@pytest.mark.parametrize(("labels", "classes"), [
    (["3", "1", "2", "1"], ("1", "2", "3")), (["10", "9", "-1"], ("-1", "9", "10")),
    (["b", "a", "10", "9"], ("10", "9", "a", "b"))])
def test_numbers_sort_as_numbers(labels, classes):
    assert class_numbers(labels) == classes
