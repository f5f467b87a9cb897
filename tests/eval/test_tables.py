from eval.tables import FAILURES, NOTICES, failure_rows, notice_rows, side_by_side
from tests.eval.made import answer, evaluation, record


def test_one_row_a_notice_with_a_column_for_each_rule() -> None:
    made = evaluation([record(10, 17), record(3, -4, answer("park", "delta", text="틀린 글"))])
    first, second = (dict(zip(NOTICES, row, strict=True)) for row in notice_rows(made))
    assert (first["yesterday"], first["today"], first["passed"], first["delta"]) == (10, 17, True, True)
    assert second["notice"] == "틀린 글"
    assert not second["passed"]
    assert [rule for rule in NOTICES[5:] if not second[rule]] == ["delta", "park"]


def test_samples_are_numbered() -> None:
    rows = notice_rows(evaluation([record(0, 1, answer(), answer("label"))]))
    assert [row[NOTICES.index("sample")] for row in rows] == [0, 1]


def test_failures_stand_rule_by_rule_with_their_reason() -> None:
    made = evaluation([record(0, 1, answer("park", "delta")), record(0, 2, answer("delta")), record(0, 3)])
    rows = [dict(zip(FAILURES, row, strict=True)) for row in failure_rows(made)]
    assert [(row["rule"], row["today"], row["reason"]) for row in rows] == [
        ("delta", 1, "no delta"),
        ("delta", 2, "no delta"),
        ("park", 1, "no park"),
    ]


def test_side_by_side_has_the_readings_that_all_have() -> None:
    base = evaluation([record(0, 1, answer("park", text="가")), record(0, 2)])
    sft = evaluation([record(0, 1, answer(text="나"))])
    columns, rows = side_by_side({"base": base, "SFT": sft})
    expected = "yesterday, today, base notice, base passed, base fails, SFT notice, SFT passed, SFT fails"
    assert ", ".join(columns) == expected
    assert rows == [[0, 1, "가", False, "park", "나", True, ""]]
