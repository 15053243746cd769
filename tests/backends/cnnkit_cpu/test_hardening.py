"""A bug in C++ is no easy way in: what compiler and linker did, read from the libraries' headers."""

import struct
import sys

import pytest
from cnnkit_cpu import library


def dynamic(data):
    """Types and flags of the program headers of a 64-bit ELF file, and the entries of its dynamic section."""
    start, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    headers, entries = {}, {}
    for i in range(count):
        kind, flags, offset, _, _, nbytes = struct.unpack_from("<IIQQQQ", data, start + i * size)
        headers[kind] = flags
        if kind == 2:  # PT_DYNAMIC
            entries = dict(struct.unpack_from("<QQ", data, at) for at in range(offset, offset + nbytes, 16))
    return headers, entries


@pytest.mark.skipif(sys.platform != "linux", reason="flags of Linux's linkers")
@pytest.mark.parametrize("isa", library.LEVELS)
def test_the_library_is_hardened(isa):
    path = library.FOLDER / f"libcnnkit_{isa}.so"
    if not path.exists():
        pytest.skip(f"no kernels for {isa} were built (CNNKIT_ISAS=all)")
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        pytest.skip("no 64-bit little-endian ELF file")
    headers, entries = dynamic(data)
    assert 0x6474e552 in headers, "no PT_GNU_RELRO: tables of functions stay writable"
    assert entries.get(30, 0) & 8 or entries.get(0x6ffffffb, 0) & 1 or 24 in entries, "no BIND_NOW"
    assert not headers[0x6474e551] & 1, "the stack (PT_GNU_STACK) is executable"
    assert not entries.keys() & {22}, "DT_TEXTREL: code is written to when it is loaded"
    assert b"__stack_chk_fail" in data
