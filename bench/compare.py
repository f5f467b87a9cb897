"""One case: check that the systems agree, find each one's best batch, run them in turn, gather the numbers."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from statistics import median
from typing import Any

import torch

from bench.cases import Case
from bench.machine import matrix_peak
from bench.systems import STOCK_BATCH, Measured, Settings, check, run
from bench.worker import Worker

ONDO_ITEMS = 64
"""Items of one run of ondo; its largest step."""
TRL_ITEMS = 8
"""Items of one run of TRL, the first of ondo's: its time is proportional to them, and it would take minutes. Twice as
many where it packs them: a nearly empty last row would count against packing."""
_TRIES = 2
_EXACT = 1e-4
"""By which losses, log-probs and margins may differ in float32, relatively where they are above 1."""
_TRL_BATCHES = (1, 2, 4, 8)
_TRL_PACKED_TOKENS = (512, 1024, 2048)
_PROMPTS_A_STEP = (1, 2, 4, 8, 16, 32, 64)

Say = Callable[[str], None]


class DisagreementError(ValueError):
    """Two systems do not compute the same thing."""


@dataclass(frozen=True)
class Result:
    """What a case gave.

    Attributes:
        settings: of each system.
        runs: of each system, one a round.
        growth: ondo's items/s by prompts in a batch.
        same_rows_mb: peak memory of TRL at its best and ondo with the same eight items in one batch.
        peaks: the machine's matrix-product rate around each round.
    """

    case: str
    settings: dict[str, Settings]
    runs: dict[str, list[Measured]]
    growth: dict[int, float]
    same_rows_mb: dict[str, float]
    peaks: list[float]

    def ratios(self, other: str) -> list[float]:
        """ondo's items/s over another system's, one a round."""
        return [
            (mine.items / mine.seconds) / (theirs.items / theirs.seconds)
            for mine, theirs in zip(self.runs["ondo"], self.runs[other], strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON file."""
        systems: dict[str, Any] = {}
        for name, runs in self.runs.items():
            systems[name] = {
                "items_per_s": median(found.items / found.seconds for found in runs),
                "tokens_per_s": median(found.tokens / found.seconds for found in runs),
                "peak_memory_mb": max(found.peak_memory_mb for found in runs),
                "settings": str(self.settings[name]),
            }
        systems["ondo"]["peak_share"] = median(
            found.flops / found.seconds / peak for found, peak in zip(self.runs["ondo"], self.peaks, strict=True)
        )
        stock, best = self.ratios("trl_stock"), self.ratios("trl_best")
        return {
            "name": self.case,
            "systems": systems,
            "speedup_vs_stock": median(stock),
            "speedup_vs_best": median(best),
            "memory_vs_best": self.same_rows_mb["ondo"] / self.same_rows_mb["trl_best"],
            "spread": {"vs_stock": [min(stock), max(stock)], "vs_best": [min(best), max(best)]},
            "same_rows_memory_mb": self.same_rows_mb,
            "growth": {str(prompts): rate for prompts, rate in self.growth.items()},
        }


def compare(case: Case, model: str, pairs: int, say: Say, known: dict[bool, Settings]) -> Result:
    """Run one case.

    Args:
        case: what is trained on.
        model: name of the base model.
        pairs: rounds; in each every system runs once, in turn.
        say: told what goes on.
        known: TRL's best settings by kind of stage (DPO or not), found once for all cases of a kind.

    Raises:
        DisagreementError: the systems' losses on the same rows differ by more than rounding explains.
    """
    settings = {"trl_stock": Settings("trl_stock", STOCK_BATCH)}
    with Worker() as scout:
        scout(run, Settings("ondo", 2), case, model, 0, 2)  # warm
        growth = _growth(scout, case, model)
        prompts = max(growth, key=lambda count: growth[count])
        settings["ondo"] = Settings("ondo", prompts * case.per_prompt)
        say(f"{case.name}: ondo is fastest with {prompts} prompts a batch")
    with Worker() as scout:
        if case.is_dpo not in known:
            known[case.is_dpo] = _fastest(scout, case, model, say)
        settings["trl_best"] = known[case.is_dpo]
    _check(case, model)
    say(f"{case.name}: losses agree")
    same_rows = _same_rows_memory(case, model)
    runs: dict[str, list[Measured]] = {name: [] for name in ("trl_stock", "trl_best", "ondo")}
    workers = {name: Worker() for name in runs}
    peaks = []
    try:
        for name, worker in workers.items():
            worker(run, settings[name], case, model, 0, 2)  # warm
        for turn in range(pairs):
            peak = workers["ondo"](matrix_peak)
            names = list(runs)
            for name in names[turn % 3 :] + names[: turn % 3]:
                count = _items(settings[name])
                runs[name].append(workers[name](run, settings[name], case, model, turn * ONDO_ITEMS, count))
            peaks.append(max(peak, workers["ondo"](matrix_peak)))
            rates = ", ".join(f"{name} {found[-1].items / found[-1].seconds:.2f}" for name, found in runs.items())
            say(f"{case.name}: round {turn + 1} of {pairs}: {rates} items/s")
    finally:
        for worker in workers.values():
            worker.__exit__(None, None, None)
    return Result(case.name, settings, runs, growth, same_rows, peaks)


def _growth(scout: Worker, case: Case, model: str) -> dict[int, float]:
    found = {}
    for prompts in _PROMPTS_A_STEP:
        batch = prompts * case.per_prompt
        if batch <= ONDO_ITEMS:
            # a few batches of the small ones are enough
            measured = scout(run, Settings("ondo", batch), case, model, 0, min(ONDO_ITEMS, 8 * batch))
            found[prompts] = measured.items / measured.seconds
    return found


def _fastest(scout: Worker, case: Case, model: str, say: Say) -> Settings:
    """TRL's best settings on this machine, each tried twice on the same rows, in turn; the better try counts."""
    tried: list[Settings] = [Settings("trl_best", batch) for batch in _TRL_BATCHES]
    if not case.is_dpo:
        tried += [Settings("trl_best", 1, tokens) for tokens in _TRL_PACKED_TOKENS]
    scout(run, tried[0], case, model, 0, 1)  # warm
    rates: dict[Settings, float] = {}
    for settings in tried * _TRIES:
        measured = scout(run, settings, case, model, 0, _items(settings))
        rate = measured.items / measured.seconds
        rates[settings] = max(rate, rates.get(settings, 0.0))
        say(f"{case.name}: TRL at {settings}: {rate:.2f} items/s")
    return max(rates, key=lambda settings: rates[settings])


def _items(settings: Settings) -> int:
    """Items of one run."""
    if settings.system == "ondo":
        return ONDO_ITEMS
    return 2 * TRL_ITEMS if settings.row_tokens else TRL_ITEMS


def _same_rows_memory(case: Case, model: str) -> dict[str, float]:
    found = {}
    for name in ("trl_best", "ondo"):
        with Worker() as fresh:
            found[name] = fresh(run, Settings(name, TRL_ITEMS), case, model, 0, TRL_ITEMS).peak_memory_mb
    return found


def _check(case: Case, model: str) -> None:
    """Compare every system with ondo: exactly in float32, and as they are timed.

    As timed, a margin is left out: it is a small difference of sums of some hundred nats, which bfloat16 alone moves.
    """
    for exact in (True, False):
        found = {}
        for name in ("ondo", "trl_best", "trl_stock"):
            with Worker() as fresh:
                found[name] = fresh(check, Settings(name, TRL_ITEMS), case, model, 0, TRL_ITEMS, exact)
        ours = found.pop("ondo")
        for (name, theirs), (key, value) in product(found.items(), ours.items()):
            if not abs(value - theirs[key]) <= _slack(key, theirs[key], exact):
                where = "in float32" if exact else "as timed"
                raise DisagreementError(
                    f"{case.name}: {key} is {value:.7g} with ondo and {theirs[key]:.7g} with {name}, {where}"
                )


def _slack(key: str, value: float, exact: bool) -> float:
    """By how much two systems may differ."""
    if exact:
        return _EXACT * max(1.0, abs(value))
    if "margins" in key:
        return math.inf
    # sums of some hundred nats are compared relatively, losses of order one absolutely
    return 0.01 * abs(value) if "logps" in key else 0.05


def peak_of_machine(dtype: torch.dtype) -> float:
    """The machine's matrix-product rate, measured in a process of its own."""
    with Worker() as worker:
        found: float = worker(matrix_peak, dtype)
    return found
