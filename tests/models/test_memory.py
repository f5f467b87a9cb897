"""Freed memory is kept, or goes back to the system."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from models.memory import give_back, keep_freed

ROOT = Path(__file__).parents[2]
needs_glibc = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="this C library is not glibc")
FAULTS_OF_A_SECOND_BLOCK = """
import ctypes, resource, sys
from models.memory import give_back, keep_freed
if sys.argv[1] != "default":
    keep_freed()
def use():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = ctypes.create_string_buffer(1 << 28)
    ctypes.memset(block, 1, 1 << 28)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
use()
if sys.argv[1] == "given back":
    give_back()
print(use())
"""


def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@needs_glibc
@pytest.mark.parametrize(("how", "fresh"), [("default", True), ("kept", False), ("given back", True)])
def test_a_large_block_is_fresh_memory_again_unless_freed_memory_is_kept(how, fresh):
    """256 MiB touched twice, in a process of its own; huge pages make at least 128 faults of them."""
    command = [sys.executable, "-c", FAULTS_OF_A_SECOND_BLOCK, how]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert (int(found.stdout) > 100) is fresh


@needs_glibc
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
    keep_freed()


def test_a_refusal_is_an_error(monkeypatch):
    class Library:
        malloc_trim = None

        def mallopt(self, parameter, value):
            return 0

    monkeypatch.setattr("models.memory.ctypes.CDLL", lambda _: Library())
    with pytest.raises(RuntimeError, match="mallopt refused"):
        keep_freed()
