"""The machine that a pickle is a program for, without the instructions that run code.

It has a stack, marks on it, and a memory. What a file names (`Global`) stays a name: `call` and `find`, given
to `run`, say what the few known ones mean, and refuse the others.
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from cnnkit.storage import FormatError

__all__ = ["Global", "Refused", "hashable", "run"]

# containers, and places in the memory, of one file: each takes a byte or two there, and 200 here
MOST = 1 << 20
SIMPLE = (str, int, float, bool, bytes, complex, type(None))  # what is hashed without going deeper


class Refused(FormatError):
    """A file names something that is not read here."""


class Global(NamedTuple):
    """A name of a function or class in a file; it is never looked up."""

    name: str


class _Mark:
    pass


_MARK = _Mark()


def run(data: memoryview, start: int, call: Callable[[Global, tuple], Any],
        find: Callable[[Global], Any], persistent: Callable[[Any], Any]) -> tuple[Any, int]:
    """Run a program until it stops.

    Parameters
    ----------
    data : memoryview
        What the program lies in.
    start : int
        Its first byte.
    call : callable
        ``call(name, arguments)``: the value of a call; it raises `Refused` where the name is unknown.
    find : callable
        ``find(name)``: what a name that is pushed becomes, often itself.
    persistent : callable
        The value of an identifier of something that is stored elsewhere in the file.

    Returns
    -------
    value, end
        What the program leaves, and the byte after its last.

    Raises
    ------
    Refused
        If it names something unknown, or wants to do more than make containers.
    ValueError, TypeError, LookupError, struct.error, ArithmeticError
        If it is no program.
    """
    machine = _Machine(data, start, call, find, persistent)
    return machine.run(), machine.at


class _Machine:
    def __init__(self, data: memoryview, start: int, call: Callable, find: Callable, persistent: Callable):
        self.data, self.at, self.call, self.find, self.persistent = data, start, call, find, persistent
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}
        self.containers = 0

    def run(self) -> Any:
        while True:
            code = self.take(1)[0]
            if code == ord("."):
                return self.stack.pop()
            step = _STEPS.get(code)
            if step is None:
                raise Refused(f"it has the instruction {bytes([code])!r} at byte {self.at - 1:,}, which is "
                              "no part of files with weights")
            step(self)

    # -- reading ---------------------------------------------------------------------------------------------

    def take(self, count: int) -> memoryview:
        """The next bytes."""
        end = self.at + count
        if count < 0 or end > len(self.data):
            raise ValueError(f"{count:,} bytes are asked for at byte {self.at:,} of {len(self.data):,}")
        part = self.data[self.at:end]
        self.at = end
        return part

    def number(self, form: str) -> Any:
        """The next number, in a form of `struct`."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> str:
        """The text up to the end of the line."""
        end = self.at
        while self.data[end] != ord("\n"):
            end += 1
        text = bytes(self.data[self.at:end]).decode("utf-8")
        self.at = end + 1
        return text

    # -- the stack -------------------------------------------------------------------------------------------

    def push(self, value: Any) -> None:
        """Put a value on the stack; containers are counted."""
        if isinstance(value, list | tuple | dict | set | frozenset):
            self.containers += 1
            if self.containers > MOST:
                raise FormatError(f"it makes more than {MOST:,} containers")
        self.stack.append(value)

    def pop_to_mark(self) -> list[Any]:
        """The values above the last mark, which goes too."""
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ValueError("there is no mark on the stack")
        values = self.stack[place + 1:]
        del self.stack[place:]
        return values

    def keep(self, place: int) -> None:
        """Put the top of the stack into the memory."""
        if len(self.memory) >= MOST:
            raise FormatError(f"it remembers more than {MOST:,} values")
        self.memory[place] = self.stack[-1]

    def pop(self) -> Any:
        """Take a value, which is no mark, from the stack."""
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a mark is where a value should be")
        return value

    def into(self, *kinds: type) -> Any:
        """The container at the top of the stack."""
        if type(self.stack[-1]) not in kinds:
            raise ValueError(f"something is put into a {type(self.stack[-1]).__name__}")
        return self.stack[-1]

    def append(self, value: Any) -> None:
        """Add to the list at the top of the stack."""
        self.into(list).append(value)

    def set_items(self, items: list[Any]) -> None:
        """Put keys and values, one after the other, into the mapping at the top of the stack."""
        mapping = self.into(dict, OrderedDict, Counter)
        if len(items) % 2:
            raise ValueError("a key has no value")
        for place in range(0, len(items), 2):
            mapping[hashable(items[place])] = items[place + 1]

    def reduce(self) -> None:
        """Call what is below the arguments at the top."""
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, Global) or not isinstance(arguments, tuple):
            raise Refused(f"it calls a {type(function).__name__}")
        self.push(self.call(function, arguments))

    def build(self) -> None:
        """Attributes of the object below them; only those of a state dict's versions are kept."""
        state = self.pop()
        target = self.stack[-1]
        if type(target) is not OrderedDict or not isinstance(state, dict):
            raise Refused(f"it sets attributes of a {type(target).__name__}")
        metadata = state.get("_metadata")
        if isinstance(metadata, dict):
            target._metadata = metadata  # type: ignore[attr-defined]

    def named(self, module: Any, name: Any) -> None:
        """Push what a name becomes."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("a name is no text")
        self.push(self.find(Global(f"{_MODULES.get(module, module)}.{name}")))


def hashable(value: Any) -> Any:
    """The value, if it can be a key: a simple one, or a tuple of such.

    Python hashes tuples in tuples without a limit to how deep they go, and a deep one ends the process.
    """
    parts = value if type(value) is tuple else (value,)
    if not all(isinstance(part, SIMPLE) for part in parts):
        raise ValueError(f"a key is a {type(value).__name__}, which is not read")
    return value


_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # as Python 2 called them


def _text(machine: _Machine, length: int) -> str:
    return bytes(machine.take(length)).decode("utf-8", "surrogatepass")


def _old_text(machine: _Machine, length: int) -> str | bytes:
    """A string of Python 2: text if it is UTF-8."""
    data = bytes(machine.take(length))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data


def _line_text(machine: _Machine) -> str:
    text = machine.line()
    if len(text) < 2 or text[0] not in "'\"" or text[0] != text[-1] or "\\" in text:
        raise ValueError("a text has no quotation marks, or a backslash")
    return text[1:-1]


def _line_integer(machine: _Machine) -> int | bool:
    text = machine.line()
    return {"00": False, "01": True}[text] if text in ("00", "01") else int(text.removesuffix("L"))


def _integer(machine: _Machine, length: int) -> int:
    return int.from_bytes(machine.take(length), "little", signed=True)


def _extend(machine: _Machine) -> None:
    values = machine.pop_to_mark()
    machine.into(list).extend(values)


def _update(machine: _Machine) -> None:
    values = machine.pop_to_mark()
    machine.into(set).update(map(hashable, values))


def _tuple(machine: _Machine, count: int) -> None:
    if len(machine.stack) < count:
        raise ValueError("the stack has too few values for a tuple")
    values = [machine.pop() for _ in range(count)]
    machine.push(tuple(reversed(values)))


def _pair(machine: _Machine) -> None:
    value, key = machine.pop(), machine.pop()
    machine.set_items([key, value])


def _dict(machine: _Machine) -> None:
    items = machine.pop_to_mark()
    machine.push({})
    machine.set_items(items)


def _stack_global(machine: _Machine) -> None:
    name, module = machine.pop(), machine.pop()
    machine.named(module, name)


def _global(machine: _Machine) -> None:
    module = machine.line()
    machine.named(module, machine.line())


# the instructions' names are in the standard library's pickletools
_STEPS: dict[int, Callable[[_Machine], None]] = {ord(code): step for code, step in {
    "\x80": lambda m: m.take(1),  # PROTO
    "\x95": lambda m: m.take(8),  # FRAME
    "(": lambda m: m.stack.append(_MARK),
    "0": lambda m: m.stack.pop(),
    "1": lambda m: m.pop_to_mark(),
    "2": lambda m: m.push(m.stack[-1]),
    "N": lambda m: m.push(None),
    "\x88": lambda m: m.push(True),
    "\x89": lambda m: m.push(False),
    "I": lambda m: m.push(_line_integer(m)),
    "L": lambda m: m.push(_line_integer(m)),
    "J": lambda m: m.push(m.number("<i")),
    "K": lambda m: m.push(m.number("<B")),
    "M": lambda m: m.push(m.number("<H")),
    "\x8a": lambda m: m.push(_integer(m, m.number("<B"))),
    "\x8b": lambda m: m.push(_integer(m, m.number("<i"))),
    "F": lambda m: m.push(float(m.line())),
    "G": lambda m: m.push(m.number(">d")),
    "S": lambda m: m.push(_line_text(m)),
    "T": lambda m: m.push(_old_text(m, m.number("<i"))),
    "U": lambda m: m.push(_old_text(m, m.number("<B"))),
    "B": lambda m: m.push(bytes(m.take(m.number("<I")))),
    "C": lambda m: m.push(bytes(m.take(m.number("<B")))),
    "\x8e": lambda m: m.push(bytes(m.take(m.number("<Q")))),
    "\x96": lambda m: m.push(bytearray(m.take(m.number("<Q")))),
    "V": lambda m: m.push(m.line()),
    "X": lambda m: m.push(_text(m, m.number("<I"))),
    "\x8c": lambda m: m.push(_text(m, m.number("<B"))),
    "\x8d": lambda m: m.push(_text(m, m.number("<Q"))),
    "]": lambda m: m.push([]),
    "a": lambda m: m.append(m.pop()),
    "e": _extend,
    "l": lambda m: m.push(m.pop_to_mark()),
    ")": lambda m: m.push(()),
    "t": lambda m: m.push(tuple(m.pop_to_mark())),
    "\x85": lambda m: _tuple(m, 1),
    "\x86": lambda m: _tuple(m, 2),
    "\x87": lambda m: _tuple(m, 3),
    "}": lambda m: m.push({}),
    "d": _dict,
    "s": _pair,
    "u": lambda m: m.set_items(m.pop_to_mark()),
    "\x8f": lambda m: m.push(set()),
    "\x90": _update,
    "\x91": lambda m: m.push(frozenset(map(hashable, m.pop_to_mark()))),
    "g": lambda m: m.push(m.memory[int(m.line())]),
    "h": lambda m: m.push(m.memory[m.number("<B")]),
    "j": lambda m: m.push(m.memory[m.number("<I")]),
    "p": lambda m: m.keep(int(m.line())),
    "q": lambda m: m.keep(m.number("<B")),
    "r": lambda m: m.keep(m.number("<I")),
    "\x94": lambda m: m.keep(len(m.memory)),
    "c": _global,
    "\x93": _stack_global,
    "R": lambda m: m.reduce(),
    "\x81": lambda m: m.reduce(),
    "b": lambda m: m.build(),
    "Q": lambda m: m.push(m.persistent(m.pop())),
}.items()}
