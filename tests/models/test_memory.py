"""Freed memory goes back to the system."""

import ctypes
import sys
from pathlib import Path

import pytest

from models.memory import give_back


def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library has no malloc_trim")
def test_freed_blocks_are_given_back():
    """Blocks of 64 KiB lie on the heap; every other one is freed, so the heap's end stays in use."""
    size, count = 1 << 16, 2000
    blocks = [ctypes.create_string_buffer(size) for _ in range(count)]
    for block in blocks:
        ctypes.memset(block, 1, size)
    kept = blocks[::2]
    del blocks, block
    before = resident()
    give_back()
    assert before - resident() > count // 4 * size
    assert all(block.raw[-1] == 1 for block in kept)


def test_a_c_library_without_the_call_is_left_alone(monkeypatch):
    monkeypatch.setattr("models.memory.ctypes.CDLL", lambda _: object())
    give_back()
    assert sys.modules["models.memory"]
