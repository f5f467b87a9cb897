"""Freed memory given back to the system, so that a long training does not keep the peak of every part of it."""

import ctypes


def give_back() -> None:
    """Return what the C library holds of freed memory (glibc's ``malloc_trim``); nothing where it has no such call.

    Worth its few milliseconds after a part that held much and is over: a merged copy to decode with, a reference pass.
    The C library raises its own threshold as large blocks are freed and then keeps them.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
