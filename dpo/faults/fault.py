"""A fault: a named corruption of a good notice that breaks a declared set of rules and no other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from data.reading import Reading
from rewards.verdict import RuleName

Corrupt = Callable[[str, Reading, Random], Iterator[str]]
"""Candidates made from (notice, reading, generator), most wanted first; none when the fault does not apply."""


@dataclass(frozen=True)
class Fault:
    """One named way to spoil a notice.

    Attributes:
        name: unique name, as used on the command line and in the pair files.
        rule: the rule the fault teaches; always one of ``breaks``.
        breaks: every rule a corrupted notice must fail; it must pass all others.
        corrupt: makes the candidates. They are proposals: the contract of :mod:`dpo.pairs` decides.
    """

    name: str
    rule: RuleName
    breaks: frozenset[RuleName]
    corrupt: Corrupt


def fault(name: str, rule: RuleName, corrupt: Corrupt, *also: RuleName) -> Fault:
    """A fault for ``rule`` that cannot help breaking the rules in ``also`` too."""
    return Fault(name, rule, frozenset({rule, *also}), corrupt)


def shuffled(items: tuple[str, ...], rng: Random) -> list[str]:
    """The items in an order drawn from ``rng``."""
    return rng.sample(items, len(items))
