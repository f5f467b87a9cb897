"""What the judge says of a message: one result a rule; groups and the overall verdict are derived, never stored."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

RuleName = Literal["label", "one_sentence", "script", "length", "delta", "direction", "park", "safety"]
RULES: tuple[RuleName, ...] = get_args(RuleName)
GROUPS: dict[str, tuple[RuleName, ...]] = {
    "format": ("label", "one_sentence", "script"),
    "length": ("length",),
    "delta": ("delta", "direction"),
    "content": ("park", "safety"),
}


class RuleResult(NamedTuple):
    """One rule's result: what was measured, and one line that says why it failed (None when it passed)."""

    name: RuleName
    passed: bool
    measured: Any
    reason: str | None


@dataclass(frozen=True)
class Verdict:
    """The eight results in the order of ``RULES``, and the soft measures."""

    rules: tuple[RuleResult, ...]
    soft: dict[str, bool]

    @property
    def passed(self) -> bool:
        """Whether every rule passed."""
        return all(result.passed for result in self.rules)

    @property
    def failed(self) -> frozenset[RuleName]:
        """The names of the rules that failed."""
        return frozenset(result.name for result in self.rules if not result.passed)

    @property
    def groups(self) -> dict[str, bool]:
        """Whether all rules of each group passed."""
        failed = self.failed
        return {group: failed.isdisjoint(names) for group, names in GROUPS.items()}

    def rule(self, name: RuleName) -> RuleResult:
        """The result of one rule."""
        return self.rules[RULES.index(name)]

    def to_dict(self) -> dict[str, Any]:
        """The JSON shape that ``launch/judge.py`` writes."""
        return {
            "passed": self.passed,
            "groups": self.groups,
            "rules": {r.name: {"passed": r.passed, "measured": r.measured, "reason": r.reason} for r in self.rules},
            "soft": dict(self.soft),
        }
