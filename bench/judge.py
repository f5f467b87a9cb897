"""How fast the judge is on one core: the batch form beside one message at a time, on the same messages.

    python bench/judge.py [--repeat 1] [--rounds 10] [--core 0]

The messages are the labelled ones of tests/rewards/messages.jsonl and the written notices, ``--repeat`` times over,
each time with another number before the park, so that no two are equal. Both ways must give equal verdicts first. The
process is bound to one core; rounds alternate. Reported are messages a second: of wall time and of processor time in
the median round, and of processor time in the best one, which others at work on the machine disturb least.
"""

import _root

import argparse
import json
import os
import time
from collections.abc import Callable
from statistics import median

from data.source import source_notices
from rewards.judge import judge, judge_batch

Item = tuple[str, int, int]
TARGET = 2000
"""Messages a second on one core."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=1, help="copies of the messages (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=10, help="timed rounds of each way (default: %(default)s)")
    parser.add_argument("--core", type=int, default=0, help="the core to run on (default: %(default)s)")
    options = parser.parse_args()
    if options.repeat < 1 or options.rounds < 1:
        parser.error("--repeat and --rounds must be at least 1")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})
    items = _items(options.repeat)
    together, singly = judge_batch(items), [judge(*item) for item in items]
    if [verdict.to_dict() for verdict in together] != [verdict.to_dict() for verdict in singly]:
        raise AssertionError("the batch form and single calls disagree")
    print(
        f"{len(items)} messages, {sum(map(len, (item[0] for item in items))) / len(items):.0f} characters on average;"
    )
    print(f"equal verdicts both ways; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    ways: dict[str, Callable[[], object]] = {
        "judge_batch": lambda: judge_batch(items),
        "judge, one at a time": lambda: [judge(*item) for item in items],
    }
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            rates[name].append(_rates(way, len(items)))
    print("| way | wall time, median | processor time, median | processor time, best |\n|---|---|---|---|")
    for name, found in rates.items():
        wall, processor = (median(rate[column] for rate in found) for column in (0, 1))
        print(f"| {name} | {wall:,.0f} | {processor:,.0f} | {max(rate[1] for rate in found):,.0f} |")
    reached = median(rate[1] for rate in rates["judge_batch"])
    print(f"\ntarget {TARGET:,} messages/s on one core: {'reached' if reached >= TARGET else 'missed'}")
    return 0


def _items(repeat: int) -> list[Item]:
    """The labelled messages and the written notices, so many times over, no two texts equal."""
    path = _root.ROOT / "tests" / "rewards" / "messages.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    items = [(row["message"], row["yesterday"], row["today"]) for row in rows]
    for notice in (*source_notices("train"), *source_notices("validation")):
        items.append((notice.text, notice.reading.yesterday, notice.reading.today))
    copies = [
        (text.replace("공원", f"{copy}번 공원") if copy else text, *facts)
        for copy in range(repeat)
        for text, *facts in items
    ]
    return [(text, int(yesterday), int(today)) for text, yesterday, today in copies]


def _rates(way: Callable[[], object], count: int) -> tuple[float, float]:
    """Messages a second of wall time and of processor time for one run."""
    wall, processor = time.perf_counter(), time.process_time()
    way()
    return count / (time.perf_counter() - wall), count / (time.process_time() - processor)


if __name__ == "__main__":
    raise SystemExit(main())
