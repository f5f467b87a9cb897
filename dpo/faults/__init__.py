"""Named corruptions of a good notice, by family: each proposes ways to break one rule and spare the others."""

from collections.abc import Sequence

from dpo.faults import content, delta, direction, label, length, script, sentence
from dpo.faults.fault import Fault

__all__ = ["FAULTS", "Fault", "select_faults"]

FAULTS: tuple[Fault, ...] = (
    *label.FAULTS,
    *sentence.FAULTS,
    *script.FAULTS,
    *length.FAULTS,
    *delta.FAULTS,
    *direction.FAULTS,
    *content.FAULTS,
)


def select_faults(names: Sequence[str]) -> tuple[Fault, ...]:
    """The faults of these names, in the order of :data:`FAULTS`.

    Raises:
        ValueError: a name is unknown; lists the known ones.
    """
    known = [fault.name for fault in FAULTS]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(f"unknown fault {', '.join(unknown) or '(none given)'}; known: {', '.join(known)}")
    return tuple(fault for fault in FAULTS if fault.name in names)
