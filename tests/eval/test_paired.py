import random
from dataclasses import replace

import pytest
from statsmodels.stats.contingency_tables import mcnemar as other_mcnemar

from data.reading import Reading
from eval.measure import MEASURES
from eval.paired import NotComparableError, mcnemar, paired_tests
from eval.record import Generation
from rewards.rubric import Rubric
from rewards.verdict import RULES
from tests.eval.made import answer, evaluation, record


def test_by_hand() -> None:
    """5 one-way changes: 2 / 2^5. 6: 2 / 2^6. 3 against 1: 2 * (C(4,0) + C(4,1)) / 2^4."""
    assert mcnemar(5, 0) == pytest.approx(0.0625)
    assert mcnemar(0, 6) == pytest.approx(0.03125)
    assert mcnemar(3, 1) == pytest.approx(0.625)
    assert mcnemar(2, 2) == 1.0
    assert mcnemar(0, 0) == 1.0


def test_agrees_with_statsmodels_on_random_tables() -> None:
    draw = random.Random(5)
    for _ in range(200):
        both, gained, lost, neither = (draw.randrange(0, 60) for _ in range(4))
        expected = other_mcnemar([[both, lost], [gained, neither]], exact=True).pvalue
        assert mcnemar(gained, lost) == pytest.approx(expected, abs=1e-12)


def test_every_measure_counts_its_own_cells() -> None:
    """Cell 1 mends delta; cell 2 mends direction but breaks park; cell 3 breaks label; cell 4 stays right."""
    first = evaluation(
        [record(0, 1, answer("delta")), record(0, 2, answer("direction")), record(0, 3), record(0, 4), record(0, 5)]
    )
    second = evaluation(
        [record(0, 4), record(0, 3, answer("label")), record(0, 2, answer("park")), record(0, 1), record(0, 5)],
        run="dpo-20260101-000000-abcdef",
    )
    tests = paired_tests(first, second)
    assert list(tests) == list(MEASURES)
    cells = [Reading(0, today) for today in range(5)]
    assert (tests["delta"].gained, tests["delta"].lost) == ((cells[1],), ())
    assert (tests["delta_group"].gained, tests["delta_group"].lost) == ((cells[1], cells[2]), ())
    assert (tests["content"].gained, tests["content"].lost) == ((), (cells[2],))
    overall = tests["overall"]
    assert (overall.gained, overall.lost, overall.both, overall.neither) == ((cells[1],), (cells[3],), 2, 1)
    assert overall.p_value == 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "test"}, "split test-mini against test: evaluate both on one split"),
        ({"rubric": Rubric(max_chars=80)}, r"rubric .*max_chars=70.* against .*max_chars=80"),
        ({"prompt_hash": "9" * 64}, r"prompts differ \(data/prompts\.py\)"),
        ({"generation": Generation(temperature=0.5)}, "temperature 0 against 0.5"),
        ({"records": (record(0, 1), record(0, 2))}, "1 readings of test-mini against 2: .*--limit"),
        ({"generation": Generation(samples=2, temperature=0.5)}, "several notices a reading"),
    ],
)
def test_what_is_not_comparable_is_refused(change: dict[str, object], message: str) -> None:
    first = evaluation([record(0, 1)])
    with pytest.raises(NotComparableError, match=message):
        paired_tests(first, replace(first, **change))


def test_told_to_compare_anyway_it_takes_the_shared_cells() -> None:
    first = evaluation([record(0, 1), record(0, 2)])
    second = evaluation([record(0, 2, answer("park")), record(0, 3)], rubric=Rubric(max_chars=80))
    test = paired_tests(first, second, anyway=True)["overall"]
    assert (test.lost, test.gained, test.both) == ((Reading(0, 2),), (), 0)
    with pytest.raises(NotComparableError, match="no reading in common"):
        paired_tests(first, evaluation([record(7, 7)]), anyway=True)


def test_other_weights_are_what_one_compares() -> None:
    first = evaluation([record(0, 1)])
    other = replace(first, model="other", weights_hash="8" * 64, adapter_hash=None, template_hash="7" * 64)
    assert paired_tests(first, other)["overall"].both == 1


def test_measures_have_one_name_each() -> None:
    assert list(MEASURES) == [*RULES, "format", "length_group", "delta_group", "content", "overall"]
    assert MEASURES["delta_group"].rules == ("delta", "direction")
