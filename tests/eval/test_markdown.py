from eval.markdown import markdown, p_text, rate_headings, rate_rows
from eval.measure import MEASURES
from eval.paired import paired_tests
from eval.summary import summarize
from tests.eval.made import NOTICE, answer, evaluation, record

BEFORE = evaluation(
    [record(0, 7, answer("delta")), record(0, 8), record(0, 9), record(3, 3)], run="base-1", stage="base"
)
AFTER = evaluation([record(0, 7), record(0, 8, answer("park")), record(0, 9, answer("park", "delta")), record(3, 3)])


def rows(text: str, heading: str) -> dict[str, list[str]]:
    """The table below a heading, by its first cell."""
    part = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")
    ]
    return {line[0]: line[1:] for line in cells[2:]}


def test_the_tables_hold_the_summary() -> None:
    text = markdown(AFTER, summarize(AFTER), pictures=["a-map.png"])
    assert text.startswith(f"# {AFTER.run} on test-mini\n")
    assert "| readings | the first 4 of 200 |" in text
    assert "![a-map.png](a-map.png)" in text
    rates = rows(text, "Pass rates")
    assert len(rates) == len(MEASURES)
    assert rates["overall"][:2] == ["2 of 4", "50.0%"]
    assert rates["park"][:2] == ["2 of 4", "50.0%"]
    assert rows(text, "By bucket")["same"] == ["1", "100.0%", "100.0%", "100.0%", "100.0%", "100.0%"]
    assert rows(text, "By size of the change")["9"] == ["1", "0.0%", "100.0%", "0.0%"]
    assert rows(text, "Failures (2)") == {
        "0 -> 8": [NOTICE.format(7), "no park"],
        "0 -> 9": [NOTICE.format(7), "no delta; no park"],
    }
    assert "Against" not in text


def test_a_paired_test_shows_counts_and_both_notices() -> None:
    tests = paired_tests(BEFORE, AFTER)
    text = markdown(AFTER, summarize(AFTER), against=BEFORE, tests=tests)
    table = rows(text, "Against base-1")
    assert table["overall"] == ["3", "2", "+1", "-2", "1.000"]
    assert table["label"] == ["4", "4", "+0", "-0", "1.000"]
    assert f"| lost | 0 -> 8 | {NOTICE.format(7)} | {NOTICE.format(7)} |" in text
    assert rate_headings(tests)[-3:] == ["gained", "lost", "p"]
    assert [row[-3:] for row in rate_rows(summarize(AFTER).rates, tests) if row[0] == "park"] == [["+0", "-2", "0.500"]]


def test_what_a_model_writes_cannot_break_the_table() -> None:
    text = markdown(made := evaluation([record(0, 1, answer("label", text="a|b\n**c**\x00<i>"))]), summarize(made))
    assert r"| 0 -> 1 | a\|b ⏎ \*\*c\*\*�\<i> | no label |" in text


def test_samples_show_their_consistency() -> None:
    made = evaluation([record(0, 1, answer(), answer("park")), record(0, 2, answer(), answer())], temperature=0.7)
    text = markdown(made, summarize(made))
    assert "2 samples, temperature 0.7, seed 0" in text
    beyond = rows(text, "Beyond the rules")
    assert beyond["all 2 samples pass"][0] == beyond["all 2 samples fail the same rules, or none"][0] == "50.0%"


def test_without_failures_it_says_so() -> None:
    made = evaluation([record(0, 1)])
    assert markdown(made, summarize(made)).endswith("## Failures (0)\n\nNone.\n")


def test_small_p_values_are_not_written_as_zero() -> None:
    assert [p_text(p) for p in (1.0, 0.0314, 0.001, 0.0009)] == ["1.000", "0.031", "0.001", "< 0.001"]
