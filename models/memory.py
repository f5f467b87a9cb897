"""What the C library does with freed memory: kept for the next step of a training, given back when a part is over."""

import ctypes

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # glibc's M_TRIM_THRESHOLD and M_MMAP_MAX


def keep_freed() -> None:
    """Keep freed memory in this process, large blocks too (glibc's ``mallopt``); nothing where there is no glibc.

    By default blocks above 32 MiB go back to the system when freed, and the next step's are zeroed page by page. On a
    CPU, where stock TRL holds all logits of a batch, that takes half of its time. :func:`give_back` still works.

    Raises:
        RuntimeError: the C library refuses.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "malloc_trim"):
        return
    if not (library.mallopt(_TRIM_THRESHOLD, -1) and library.mallopt(_MMAP_MAX, 0)):
        raise RuntimeError("mallopt refused to keep freed memory")


def give_back() -> None:
    """Return what the C library holds of freed memory (glibc's ``malloc_trim``); nothing where it has no such call.

    Worth its few milliseconds after a part that held much and is over: a merged copy to decode with, a reference pass.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
