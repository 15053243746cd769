"""An emulated power cut: every state of the disk that a power cut may leave, after each system call.

`Disk` stands in for the module ``os`` and records what is made, written, flushed, renamed and removed below
a folder; `Disk.everywhere` does so for all Python code. `Disk.states` makes of that what may be found
afterwards. It assumes as little as file systems promise:

- Each folder's entries change in order, and those of different folders in any; they are certain once their
  folder was flushed.
- What was written to a file is certain once the file was flushed. Before that it is there, or not, or in
  part, or only its length is, with zeros instead.
"""

import itertools
import os
from pathlib import Path

REAL = {name: getattr(os, name) for name in
        ("open", "write", "fsync", "replace", "rename", "unlink", "remove", "mkdir", "rmdir", "truncate",
         "ftruncate")}


class Disk:
    """The module ``os``, with a record of every call that changes the disk below `root`."""

    def __init__(self, root):
        self.root = Path(root)
        self.calls = []  # (what, path, argument)
        self._files = {}  # handle -> path

    def __getattr__(self, name):
        return getattr(os, name)

    def everywhere(self, monkeypatch):
        """Record the calls of all Python code from now on; what C code writes is found by `check`."""
        for name in REAL:
            monkeypatch.setattr(os, name, getattr(self, name))
        return self

    def _record(self, what, path, argument=None):
        path = Path(os.path.abspath(path))
        if path == self.root or self.root in path.parents:
            self.calls.append((what, path, argument))

    def open(self, path, flags, mode=0o777, **keywords):
        new = flags & os.O_CREAT and not os.path.lexists(path)
        handle = REAL["open"](path, flags, mode, **keywords)
        self._files[handle] = os.path.abspath(path)
        if new:
            self._record("create", path)
        elif flags & os.O_TRUNC:
            self._record("cut", path, 0)
        return handle

    def write(self, handle, data):
        count = REAL["write"](handle, bytes(data)[:max(1, len(data) // 2)])  # in two parts or more
        if handle in self._files:
            self._record("write", self._files[handle], bytes(data[:count]))
        return count

    def ftruncate(self, handle, size):
        REAL["ftruncate"](handle, size)
        self._record("cut", self._files[handle], size)

    def truncate(self, path, size):
        REAL["truncate"](path, size)
        self._record("cut", path, size)

    def fsync(self, handle):
        REAL["fsync"](handle)
        path = self._files[handle]
        self._record("flush folder" if os.path.isdir(path) else "flush", path)

    def replace(self, old, new):
        REAL["replace"](old, new)
        self._record("rename", old, Path(os.path.abspath(new)))

    rename = replace

    def unlink(self, path, **keywords):
        REAL["unlink"](path, **keywords)
        if not keywords:
            self._record("remove", path)

    remove = unlink

    def mkdir(self, path, mode=0o777, **keywords):
        REAL["mkdir"](path, mode, **keywords)
        self._record("make folder", path)

    def rmdir(self, path, **keywords):
        REAL["rmdir"](path, **keywords)
        self._record("remove folder", path)

    def states(self, before):
        """Each content of the folder, relative path -> bytes, that may be found after a cut.

        `before` is what was there, and certain, before the first call.
        """
        return (state for _, state in cuts(self.calls, before, self.root))

    def check(self, before):
        """Raise an error if something was written past the record, so that `states` would be wrong."""
        present = {str(path.relative_to(self.root)): path.read_bytes()
                   for path in self.root.rglob("*") if path.is_file()}
        names, contents = _replay(self.calls, before, self.root)
        recorded = {name: contents[inode].all() for name, inode in names.items()}
        assert recorded == present, f"not recorded: {sorted(recorded.keys() ^ present.keys()) or 'contents'}"


def cuts(calls, before, root):
    """Pairs: how many calls were done, and a content of the folder that may be found after that cut."""
    seen = set()
    for cut in range(len(calls) + 1):
        for state in _found(calls[:cut], before, root):
            key = cut, tuple(sorted(state.items()))
            if key not in seen:
                seen.add(key)
                yield cut, state


def latest(calls, before, root):
    """Each content of the folder once, with the largest number of done calls after which it may be found."""
    found = {}
    for cut, state in cuts(calls, before, root):
        found[tuple(sorted(state.items()))] = cut
    return [(cut, dict(state)) for state, cut in found.items()]


ENTRIES = ("create", "rename", "remove", "make folder", "remove folder")


class _File:
    """What was written to a file: up to its last flush, and after that."""

    def __init__(self, content=b""):
        self.certain, self.later = content, []

    def all(self):
        content = self.certain
        for what, argument in self.later:
            content = content + argument if what == "write" else content[:argument]
        return content

    def flush(self):
        self.certain, self.later = self.all(), []

    def options(self):
        """What may be found: with a cut to a length, that or the content before; else a part of what came."""
        whole = self.all()
        if whole == self.certain:
            return [whole]
        if not whole.startswith(self.certain):
            return [whole, self.certain]
        kept, new = len(self.certain), len(whole) - len(self.certain)
        return [whole, self.certain, whole[:kept + (new + 1) // 2], self.certain + bytes(new)]


def _replay(calls, before, root):
    """Names (relative path -> inode) after all calls, and what each inode holds."""
    names, folders = {name: ("old", name) for name in before}, set()
    files = {("old", name): _File(content) for name, content in before.items()}
    for n, (what, path, argument) in enumerate(calls):
        name = str(path.relative_to(root))
        if what in ENTRIES:
            if what == "create":
                files[n] = _File()
            _apply(names, folders, n, what, name, argument and str(argument.relative_to(root)))
        elif what in ("write", "cut"):
            files[names[name]].later.append((what, argument))
        elif what == "flush":
            files[names[name]].flush()
    return names, files


def _apply(names, folders, number, what, name, new_name):
    if what == "create":
        names[name] = number
    elif what == "rename" and name in names:
        names[new_name] = names.pop(name)
    elif what == "remove":
        names.pop(name, None)
    elif what == "make folder":
        folders.add(name)
    elif what == "remove folder":
        folders.discard(name)


def _found(done, before, root):
    files = _replay(done, before, root)[1]
    made = {str(path.relative_to(root)) for what, path, _ in done if what == "make folder"}
    uncertain = {}  # folder -> the numbers of the changes of its entries since it was flushed
    for n, (what, path, _) in enumerate(done):
        if what in ENTRIES:
            uncertain.setdefault(path.parent, []).append(n)
        elif what == "flush folder":
            uncertain.pop(path, None)
    for kept in itertools.product(*(range(len(numbers) + 1) for numbers in uncertain.values())):
        lost = {n for count, numbers in zip(kept, uncertain.values()) for n in numbers[count:]}
        names, folders = {name: ("old", name) for name in before}, set()
        for n, (what, path, argument) in enumerate(done):
            if what in ENTRIES and n not in lost:
                _apply(names, folders, n, what, str(path.relative_to(root)),
                       argument and str(argument.relative_to(root)))
        there = {name: inode for name, inode in names.items()
                 if all(str(p) in folders for p in Path(name).parents if str(p) in made)}
        options = [[(name, content) for content in _options(name, files[inode])]
                   for name, inode in there.items()]
        yield from map(dict, itertools.product(*options))


def _options(name, file):
    """The contents of temporary files and locks, which nobody reads, are not gone through."""
    part = Path(name).name
    return [file.all()] if part.startswith(".") or part == "lock" else file.options()


def lay_out(state, folder):
    """Put a state's files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in state.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
