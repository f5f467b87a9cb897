import pytest

from data.reading import Reading
from eval.interval import wilson
from eval.measure import MEASURES
from eval.summary import Failure, flat_metrics, rates, summarize
from tests.eval.made import answer, evaluation, record


def test_rules_groups_and_overall_count_readings() -> None:
    made = summarize(
        evaluation(
            [record(0, 7), record(0, 3, answer("delta")), record(0, 5, answer("direction", "park")), record(1, 8)]
        )
    )
    passed = {name: found.passed for name, found in made.rates.items()}
    assert {name for name, count in passed.items() if count != 4} == {
        *("delta", "direction", "park", "delta_group", "content", "overall")
    }
    assert [passed[name] for name in ("delta", "direction", "park", "delta_group", "content")] == [3, 3, 3, 2, 3]
    overall = made.rates["overall"]
    assert (overall.passed, overall.n, overall.rate) == (2, 4, 0.5)
    assert (overall.low, overall.high) == wilson(2, 4)


def test_slices_hold_their_own_readings_and_no_empty_one() -> None:
    made = summarize(
        evaluation([record(0, 12), record(12, 0, answer("delta")), record(20, 20), record(0, 11, answer("park"))])
    )
    assert {name: found["overall"].passed for name, found in made.buckets.items()} == {
        "rise_large": 1,
        "fall_large": 0,
        "same": 1,
    }
    assert list(made.buckets) == ["rise_large", "fall_large", "same"]
    assert {size: found["delta"].rate for size, found in made.sizes.items()} == {0: 1, 11: 1, 12: 0.5}
    assert list(made.sizes) == [0, 11, 12]


def test_seen_is_what_the_examples_taught() -> None:
    """Taught +7 and -3: the sizes 7 and 3 are seen, the changes +7 and -3. (0, 7) lies a degree off (1, 8)."""
    records = [record(0, 7), record(7, 0, answer("direction")), record(0, 3), record(0, 1, answer("delta"))]
    made = summarize(evaluation(records), taught=[Reading(1, 8), Reading(5, 2)])
    counts = {name: (found["overall"].passed, found["overall"].n) for name, found in made.seen.items()}
    assert counts == {
        "size_seen": (2, 3),
        "size_unseen": (0, 1),
        "delta_seen": (1, 1),
        "delta_unseen": (1, 3),
        "cell_near": (1, 1),
        "cell_far": (1, 3),
    }


def test_near_is_within_one_degree_on_both_days() -> None:
    readings = [(y, t) for y in range(3, 8) for t in range(0, 5)]
    made = summarize(evaluation([record(*reading) for reading in readings]), taught=[Reading(5, 2)])
    assert made.seen["cell_near"]["overall"].n == 9
    assert made.seen["cell_far"]["overall"].n == 16


def test_zero_belongs_to_above() -> None:
    records = [record(-3, -1), record(-1, 0), record(5, -5, answer("delta")), record(0, 0), record(0, 5)]
    signs = summarize(evaluation(records)).signs
    assert {name: (r["overall"].passed, r["overall"].n) for name, r in signs.items()} == {
        "below": (1, 1),
        "across": (1, 2),
        "above": (2, 2),
    }
    assert list(signs) == ["below", "across", "above"]


def test_by_default_the_written_training_examples_count_as_taught() -> None:
    """Their sizes run from 1 to 25 and 0, so no cell of the grid has an unseen size."""
    assert "size_unseen" not in summarize(evaluation([record(20, 45), record(45, 20), record(3, 3)])).seen


def test_samples_of_a_reading_are_averaged() -> None:
    right, wrong = answer(), answer("delta")
    made = summarize(
        evaluation(
            [
                record(0, 7, right, right),
                record(0, 8, right, wrong),
                record(0, 9, wrong, wrong),
                record(0, 5, wrong, answer("park")),
            ],
            temperature=1.0,
        )
    )
    assert made.rates["overall"].rate == pytest.approx((1 + 0.5 + 0 + 0) / 4)
    assert made.rates["delta"].rate == pytest.approx((1 + 0.5 + 0 + 0.5) / 4)
    assert made.rates["overall"].n == 4
    found = made.consistency
    assert found is not None
    assert found.samples == 2
    assert (found.all_pass.passed, found.same_verdict.passed) == (1, 2)
    assert found.similarity == 100


def test_similarity_is_that_of_samples_of_one_reading() -> None:
    """'가나다라' and '가나다마' share 3 of 4: ratio 2 * 3 / 8; the other reading's two samples share nothing."""
    made = summarize(
        evaluation(
            [
                record(0, 1, answer(text="가나다라"), answer(text="가나다마")),
                record(0, 2, answer(text="가나다라"), answer(text="바사")),
            ]
        )
    )
    assert made.consistency is not None
    assert made.consistency.similarity == pytest.approx((75 + 0) / 2)


def test_variety_masks_figures_and_counts_passing_notices_alone() -> None:
    texts = ["3도 올랐어요", "12도 올랐어요", "3도 내렸어요"]
    records = [record(0, day, answer(text=text)) for day, text in enumerate(texts)]
    made = summarize(evaluation([*records, record(0, 9, answer("park", text="다르게 실패"))]))
    assert (made.variety.passing, made.variety.distinct) == (3, 2)
    assert made.variety.share == pytest.approx(2 / 3)
    assert made.consistency is None
    assert summarize(evaluation([record(0, 1, answer("park"))])).variety.share is None


def test_cost() -> None:
    """Five times 1..5: the median is 3, the 95th percentile lies 0.8 of the way from 4 to 5."""
    made = summarize(evaluation([record(0, n, answer(seconds=n, tokens=10 * n)) for n in (1, 2, 3, 4, 5)])).cost
    assert (made.seconds_p50, made.seconds_p95, made.tokens) == pytest.approx((3, 4.8, 30))
    assert made.unfinished == 0


def test_soft_measures_stand_beside_the_rules() -> None:
    made = summarize(evaluation([record(0, 1), record(0, 2, answer(soft=False))]))
    assert {name: found.rate for name, found in made.soft.items()} == {"state": 0.5, "advice": 0.5}
    assert made.rates["overall"].rate == 1


def test_every_failing_notice_is_listed_with_its_reasons() -> None:
    made = summarize(evaluation([record(0, 1), record(0, 2, answer("park", "delta", text="틀린 글"))]))
    assert made.failures == (Failure(Reading(0, 2), "틀린 글", {"delta": "no delta", "park": "no park"}),)


def test_flat_keys_name_split_and_measure() -> None:
    flat = flat_metrics(rates([record(0, 1), record(0, 2, answer("direction"))]), "test-mini")
    assert list(flat) == [f"eval/test-mini/{name}/pass_rate" for name in MEASURES if name != "overall"] + [
        "eval/test-mini/overall"
    ]
    assert flat["eval/test-mini/delta/pass_rate"] == 1
    assert flat["eval/test-mini/delta_group/pass_rate"] == 0.5
    assert flat["eval/test-mini/overall"] == 0.5
