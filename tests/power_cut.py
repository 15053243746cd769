"""An emulated power cut: every state of the disk that a write may leave behind when the power goes.

`Disk` stands in for the module ``os`` in `cnnkit.storage.writing` and records what is written, flushed,
renamed and removed below a folder. `states` makes of that what may be found afterwards: entries of folders
change in order, as journals keep them, and are certain once the folder was flushed; the contents of a file
are certain once it was flushed, and before that are there, or not, or cut off.
"""

import itertools
import os
from pathlib import Path


class Disk:
    """The module ``os``, with a record of every call that changes the disk."""

    def __init__(self):
        self.calls = []  # (what, *arguments)
        self._files = {}  # handle -> path

    def __getattr__(self, name):
        return getattr(os, name)

    def open(self, path, flags, mode=0o777):
        handle = os.open(path, flags, mode)
        self._files[handle] = Path(path)
        if flags & os.O_CREAT:
            self.calls.append(("create", Path(path)))
        return handle

    def write(self, handle, data):
        count = os.write(handle, bytes(data)[:max(1, len(data) // 2)])  # in two parts or more
        self.calls.append(("write", self._files[handle], bytes(data[:count])))
        return count

    def fsync(self, handle):
        os.fsync(handle)
        path = self._files[handle]
        self.calls.append(("flush folder" if path.is_dir() else "flush", path))

    def replace(self, old, new):
        os.replace(old, new)
        self.calls.append(("rename", Path(old), Path(new)))

    def unlink(self, path):
        os.unlink(path)
        self.calls.append(("remove", Path(path)))


def states(calls, before):
    """Every content of the folder, name -> bytes, that may be found after a cut during `calls`.

    `before` is what was there, and certain, before the first call.
    """
    seen = set()
    for cut in range(len(calls) + 1):
        done = calls[:cut]
        last = max((n for n, call in enumerate(done) if call[0] == "flush folder"), default=-1)
        entries = [n for n, call in enumerate(done) if call[0] in ("create", "rename", "remove") and n > last]
        for kept in range(len(entries) + 1):
            lost = set(entries[kept:])
            for state in _contents([c for n, c in enumerate(done) if n not in lost], done, before):
                key = tuple(sorted(state.items()))
                if key not in seen:
                    seen.add(key)
                    yield dict(state)


def _contents(applied, done, before):
    """What files may hold: those that were flushed all of it, others also nothing, or half."""
    inode_of = {name: ("old", name) for name in before}
    files = {("old", name): content for name, content in before.items()}
    creations = {}
    for n, call in enumerate(done):  # which file a name meant when it was written or flushed
        if call[0] == "create":
            creations[call[1]] = n
    written = {n: b"".join(c[2] for c in done if c[0] == "write" and c[1] == path)
               for path, n in creations.items()}
    flushed = {n: any(c[0] == "flush" and c[1] == path for c in done) for path, n in creations.items()}
    for call in applied:
        if call[0] == "create":
            inode_of[call[1].name] = creations[call[1]]
        elif call[0] == "rename" and call[1].name in inode_of:
            inode_of[call[2].name] = inode_of.pop(call[1].name)
        elif call[0] == "remove":
            inode_of.pop(call[1].name, None)
    options = []
    for name, inode in inode_of.items():
        if inode in files:
            options.append([(name, files[inode])])
        else:
            whole = written[inode]
            options.append([(name, whole)] if flushed[inode]
                           else [(name, whole), (name, b""), (name, whole[:len(whole) // 2])])
    for choice in itertools.product(*options):
        yield dict(choice)
