import json
import random
from pathlib import Path

import pytest
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from eval.arms import named, pooled
from eval.compare import compare, shared_split
from eval.compare_page import write_comparison
from eval.compare_text import arm_rows, markdown, rate_table, to_dict
from eval.measure import MEASURES
from eval.paired import NotComparableError
from eval.record import Generation
from rewards.rubric import Rubric
from tests.eval.gathered import CELLS, gathered

SFT, DPO = "sft-20260101-000000-aaaaaa", "dpo-20260101-000000-bbbbbb"


def test_mcnemar_and_intervals_agree_with_statsmodels_and_scipy_on_200_random_tables() -> None:
    draw = random.Random(7)
    for _ in range(200):
        n, right, better = draw.randrange(2, len(CELLS) + 1), draw.random(), draw.random()
        before = [draw.random() < right for _ in range(n)]
        after = [draw.random() < better for _ in range(n)]
        found = compare(named([[gathered(SFT, before)], [gathered(DPO, after)]]), "test-mini")
        table = [[0, 0], [0, 0]]
        for one, other in zip(before, after, strict=True):
            table[one][other] += 1
        test = found.tests["overall"]["dpo"]
        assert test.p_value == pytest.approx(mcnemar(table, exact=True).pvalue, abs=1e-12)
        assert (len(test.gained), len(test.lost)) == (table[0][1], table[1][0])
        assert test.difference == pytest.approx((sum(after) - sum(before)) / n)
        for name, outcomes in (("sft", before), ("dpo", after)):
            rate = found.rates["overall"][name]
            expected = proportion_confint(sum(outcomes), n, method="wilson")
            assert (rate.low, rate.high) == pytest.approx(expected, abs=1e-9)
            theirs = binomtest(sum(outcomes), n).proportion_ci(method="wilson")
            assert (rate.low, rate.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def seeds(stage: str, *outcomes: list[bool], beta: float):
    return [
        gathered(f"{stage}-2026010{number}-000000-{stage}{beta}", passes, seed=number, beta=beta)
        for number, passes in enumerate(outcomes, start=1)
    ]


def test_pooled_seeds_by_hand() -> None:
    """Reading 0: 1 of 2 against 2 of 2; reading 1: 0 against 2; reading 2: 2 against 1; reading 3: the same.

    Halves of the readings: +1, +2, -1, 0. Sums of all signs: 4 and 2 (or more) in 2 + 4 of 8 ways, so p = 6 / 8.
    """
    first = seeds("dpo", [True, False, True, True], [False, False, True, True], beta=0.1)
    other = seeds("dpo", [True, True, True, True], [True, True, False, True], beta=0.2)
    found = compare(pooled([*first, *other]), "test-mini")
    assert [(arm.name, len(arm.runs)) for arm in found.arms] == [("dpo beta 0.1", 2), ("dpo beta 0.2", 2)]
    name = "dpo beta 0.2"
    test = found.tests["overall"][name]
    assert (test.gained, test.lost) == (tuple(CELLS[:2]), (CELLS[2],))
    assert test.p_value == pytest.approx(6 / 8)
    assert test.difference == pytest.approx(0.25)
    assert found.rates["overall"][name].rate == pytest.approx(0.875)
    assert found.by_seed == {"dpo beta 0.1": [0.75, 0.5], name: [1.0, 0.75]}
    assert found.seeds_p[name] is not None
    gained, _, lost = found.changed[name]
    assert gained.passed == {"dpo beta 0.1": 1, name: 2}
    assert gained.answers["dpo beta 0.1"].text == f"{first[1].id} {CELLS[0].today}"  # the seed that fails
    assert lost.answers[name].text == f"{other[1].id} {CELLS[2].today}"
    assert "seeds pass" in markdown(found)
    assert arm_rows(found)[1][0][2] == "75.0%, 50.0%"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rubric": Rubric(max_chars=80)}, "rubric"),
        ({"prompt_hash": "9" * 64}, "the prompts differ"),
        ({"generation": Generation(temperature=0.5)}, "temperature 0 against 0.5"),
    ],
)
def test_what_is_not_comparable_is_refused_with_the_reason_unless_told(changes, reason) -> None:
    arms = named([[gathered(SFT, [True, False])], [gathered(DPO, [True, True], changes=changes)]])
    with pytest.raises(NotComparableError, match=f"{SFT} and {DPO} are not comparable: .*{reason}.*(\n.*)?--anyway"):
        compare(arms, "test-mini")
    found = compare(arms, "test-mini", anyway=True)
    assert len(found.tests["overall"]["dpo"].gained) == 1
    assert any(reason in remark for remark in found.remarks)


def test_other_numbers_of_readings_are_refused_or_cut_to_the_shared_ones() -> None:
    arms = named([[gathered(SFT, [True] * 5)], [gathered(DPO, [False] * 3)]])
    with pytest.raises(NotComparableError, match="5 readings of test-mini against 3"):
        compare(arms, "test-mini")
    found = compare(arms, "test-mini", anyway=True)
    assert len(found.readings) == 3
    assert found.rates["overall"]["sft"].n == 3


def test_the_split_is_the_largest_that_all_have() -> None:
    one, other = gathered(SFT, [True]), gathered(DPO, [True])
    assert shared_split([one, other]) == "test-mini"
    lacking = gathered(DPO, [True], changes={"split": "guide"})
    with pytest.raises(NotComparableError, match=rf"(?s){SFT}: test-mini.*{DPO}: guide.*launch/evaluate\.py"):
        shared_split([one, lacking])
    with pytest.raises(NotComparableError, match="not every run was evaluated on test:"):
        shared_split([one, other], "test")


def test_one_run_alone_is_shown() -> None:
    found = compare(named([[gathered(SFT, [True, False])]]), "test-mini")
    assert found.tests["overall"] == {}
    assert "| overall | 50.0% 9.5-90.5 |" in markdown(found)


def test_markdown_json_and_page_hold_the_same_figures(tmp_path: Path) -> None:
    log = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}]
    runs = [
        gathered(SFT, [True, False, False], log=log, learning_rate=5e-4),
        gathered(DPO, [False, True, True], log=log, learning_rate=2e-4),
    ]
    found = compare(pooled(runs), "test-mini")
    text = markdown(found)
    assert "| overall | 33.3% 6.1-79.2 | 66.7% 20.8-93.9 | +2 -1 p 1.000 |" in text
    assert "| learning\\_rate | 0.0005 | 0.0002 |" in text
    assert f"| gained | 0 -> -9 | {SFT} -9 | {DPO} -9 |" in text
    assert f"| lost | 0 -> -10 | {SFT} -10 | {DPO} -10 |" in text
    assert "| sft | 1 min 0 s | 2.0 |" in text
    plain = json.loads(json.dumps(to_dict(found)))
    assert plain["tests"]["dpo"]["overall"]["gained"] == [[0, -9], [0, -8]]
    assert plain["arms"][0]["rates"]["overall"]["rate"] == pytest.approx(1 / 3)
    assert set(plain["tests"]["dpo"]) == {*MEASURES, "overall_p_holm", "overall_p_over_seeds"}
    page = tmp_path / "compare.html"
    write_comparison(page, found)
    html = page.read_text(encoding="utf-8")
    for part in ("66.7%", "20.8–93.9%", f"{DPO} -9", "From fail to pass: 2", "From pass to fail: 1", "learning_rate"):
        assert part in html
    assert "<script" not in html
    assert 'src="http' not in html


def test_measures_keep_their_order_and_narrow_columns_break() -> None:
    found = compare(named([[gathered(SFT, [True])], [gathered(DPO, [True])]]), "test-mini")
    headings, rows = rate_table(found, "\n")
    assert headings == ["measure", "sft", "dpo", "dpo\nagainst sft"]
    assert [row[0] for row in rows[:2]] == ["overall", "format"]
    assert rows[0][3] == "+0 -0\np 1.000"
