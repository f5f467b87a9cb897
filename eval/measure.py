"""What is counted: every rule, every group of rules, and the whole rubric, each under one name.

Tables, paired tests, plots, files and W&B keys use these names. A group that shares its name with a rule (``delta`` is
the rule, and also the group of ``delta`` and ``direction``) is called ``<name>_group``.
"""

from dataclasses import dataclass
from typing import Literal

from rewards.verdict import GROUPS, RULES, RuleName, Verdict

Kind = Literal["rule", "group", "overall"]
OVERALL = "overall"


@dataclass(frozen=True)
class Measure:
    """A name and the rules that must all pass."""

    name: str
    kind: Kind
    rules: tuple[RuleName, ...]

    def passed(self, verdict: Verdict) -> bool:
        """Whether a verdict passes every rule of the measure."""
        return verdict.failed.isdisjoint(self.rules)


def _group_name(group: str) -> str:
    return f"{group}_group" if group in RULES else group


MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        *(Measure(rule, "rule", (rule,)) for rule in RULES),
        *(Measure(_group_name(group), "group", rules) for group, rules in GROUPS.items()),
        Measure(OVERALL, "overall", RULES),
    )
}
"""Every measure by name: the eight rules in their order, the four groups, the whole rubric."""
