"""Pair files: every row is held to the contract, and what breaks it is told with file and line."""

import json
import re

import pytest

from data.prompts import prompt_messages
from data.reading import Reading
from data.source import source_notices
from data.splits import cells
from dpo.load import SHOWN, fault_counts, load_pairs
from dpo.make import make_pairs
from dpo.pairs import write_pairs


@pytest.fixture(scope="module")
def pairs():
    examples = [(notice.reading, notice.text) for notice in source_notices("train")[:4]]
    return make_pairs(examples, per_example=3).pairs


@pytest.fixture
def write(tmp_path, pairs):
    """Writes the pairs as rows, changed by a function, and returns the file."""

    def rows_to_file(change):
        rows = [json.loads(json.dumps(pair.row)) for pair in pairs]
        path = tmp_path / "pairs.jsonl"
        lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in change(rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return rows_to_file


def say(row, key, text):
    row[key][-1]["content"] = text


def broken_row(change):
    """The third row changed."""

    def apply(rows):
        given = change(rows[2])
        return [*rows[:2], rows[2] if given is None else given, *rows[3:]]

    return apply


def test_what_was_written_is_read_again(pairs, tmp_path):
    path = tmp_path / "pairs.jsonl"
    write_pairs(path, pairs)
    assert load_pairs(path) == list(pairs)
    assert sum(fault_counts(list(pairs)).values()) == len(pairs) == 12


def test_a_byte_order_mark_blank_lines_and_further_columns_do_no_harm(write, pairs):
    path = write(lambda rows: [rows[0] | {"note": 1}, "", *rows[1:]])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_pairs(path) == list(pairs)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda row: "{", "Expecting property name"),
        (lambda row: "[" * 100_000, "recursion"),
        (lambda row: "[]", "expected an object"),
        (lambda row: row.pop("fault") and row, "'fault' is missing"),
        (lambda row: row | {"rule": "tone"}, "rule 'tone' is none of label, one_sentence"),
        (lambda row: row | {"chosen": "text"}, "'chosen' must be a list of messages that ends in one of the assistant"),
        (lambda row: row | {"rejected": []}, "'rejected' must be a list of messages"),
        (lambda row: row | {"prompt": row["chosen"]}, "'prompt' must be a list of messages that ends in"),
        (lambda row: row | {"yesterday": row["yesterday"] + 1}, "yesterday is "),
        (lambda row: say(row, "prompt", "내일은요?"), "내일은요?"),
        (lambda row: say(row, "chosen", "안내: 공원이 따뜻해졌습니다."), "the chosen notice fails label"),
        (lambda row: say(row, "rejected", row["chosen"][-1]["content"]), "the rejected notice: same text"),
        (lambda row: say(row, "rejected", "네."), "the rejected notice: "),
        (lambda row: say(row, "rejected", row["chosen"][-1]["content"]) or row | {"fault": "own"}, "does not fail"),
        (lambda row: row | {"prompt": prompt_messages(Reading(400, 1))}, "400"),
    ],
)  # fmt: skip
def test_a_broken_row_is_told_with_file_line_and_cause(change, told, write):
    path = write(broken_row(change))
    with pytest.raises(ValueError, match=re.escape(told)) as error:
        load_pairs(path)
    assert f"{path}: 1 row(s) are no pairs to learn from:\n  {path}:3: " in str(error.value)


def test_test_cells_are_refused(write):
    reading = next(iter(cells("test")))

    def move(row):
        return row | {
            "prompt": prompt_messages(reading),
            "yesterday": reading.yesterday,
            "today": reading.today,
        }

    path = write(broken_row(move))
    with pytest.raises(ValueError, match=rf":3: {reading.yesterday} -> {reading.today} is kept for the test split"):
        load_pairs(path)


def test_a_pair_that_stands_twice_is_told_with_both_lines(write):
    path = write(lambda rows: [*rows, rows[1]])
    with pytest.raises(ValueError, match=rf"{path}:13: the same pair stands on line 2"):
        load_pairs(path)


def test_many_broken_rows_are_listed_in_part_and_counted(write):
    path = write(lambda rows: ["{"] * (SHOWN + 5))
    with pytest.raises(ValueError, match="25 row") as error:
        load_pairs(path)
    assert str(error.value).count(str(path)) == SHOWN + 1
    assert str(error.value).endswith("and 5 more")


def test_a_fault_of_ones_own_needs_its_named_rule_broken_only(write):
    def own(row):
        say(row, "rejected", "안내: " + row["chosen"][-1]["content"])
        return row | {"fault": "mined", "rule": "label", "source": "policy"}

    (found,) = [pair for pair in load_pairs(write(broken_row(own))) if pair.fault == "mined"]
    assert (found.rule, found.source) == ("label", "policy")


def test_an_empty_or_missing_file_is_named(tmp_path):
    path = tmp_path / "none.jsonl"
    with pytest.raises(FileNotFoundError, match=r"none\.jsonl"):
        load_pairs(path)
    path.write_text("\n")
    with pytest.raises(ValueError, match=rf"{path}: holds no pair"):
        load_pairs(path)
