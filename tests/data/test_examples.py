import json
from pathlib import Path

import pytest

from data.examples import TRAIN_FILE, InvalidExamplesError, load_examples
from data.prompts import chat_messages
from data.reading import Reading
from data.splits import cells

GOOD = "어제보다 7도 올라 한결 포근해졌으니 가벼운 겉옷을 걸치고 공원 둘레길을 천천히 걸어 보세요."
WRONG_DELTA = GOOD.replace("7도", "9도")
READING = Reading(10, 17)


def row(notice: str = GOOD, reading: Reading = READING) -> str:
    return json.dumps({"messages": chat_messages(reading, notice)}, ensure_ascii=False)


def chat_file(folder: Path, *lines: str) -> Path:
    path = folder / "own.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_good_file_is_taken_whole(tmp_path: Path) -> None:
    loaded = load_examples(chat_file(tmp_path, row(), "", row()))
    assert [(e.reading, e.notice, e.line) for e in loaded.examples] == [(READING, GOOD, 1), (READING, GOOD, 3)]
    assert loaded.invalid == ()
    assert loaded.examples[0].messages == chat_messages(READING, GOOD)


def test_a_byte_order_mark_and_crlf_are_read(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + row().encode() + b"\r\n")
    assert load_examples(path).examples[0].notice == GOOD


def test_a_row_that_breaks_a_rule_stops_with_file_line_and_rule(tmp_path: Path) -> None:
    path = chat_file(tmp_path, row(), row(WRONG_DELTA))
    with pytest.raises(InvalidExamplesError, match=r"own\.jsonl:2: delta: ") as caught:
        load_examples(path)
    assert [(bad.line, bad.rule) for bad in caught.value.rows] == [(2, "delta")]


def test_drop_leaves_it_out_and_keep_trains_on_it(tmp_path: Path) -> None:
    path = chat_file(tmp_path, row(), row(WRONG_DELTA))
    dropped = load_examples(path, "drop")
    assert [example.line for example in dropped.examples] == [1]
    assert [bad.line for bad in dropped.invalid] == [2]
    assert [example.line for example in load_examples(path, "keep").examples] == [1, 2]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[]", "list under 'messages'"),
        ('{"messages": 3}', "list under 'messages'"),
        ('{"messages": [{"role": "user", "content": "어제 1도, 오늘 2도"}]}', "expected the roles"),
        ('{"messages": [1, 2, 3]}', "expected the roles"),
        (row().replace("어제 10도, 오늘 17도", "오늘 17도"), "not of the form"),
        ('{"messages": [{"role": "user", "content": 3}, {"role": "assistant", "content": "가"}]}', "must be a text"),
        ("[" * 100_000, "too deeply"),
    ],
)
def test_an_unreadable_row_is_never_kept(tmp_path: Path, line: str, reason: str) -> None:
    path = chat_file(tmp_path, row(), line)
    with pytest.raises(InvalidExamplesError, match=reason):
        load_examples(path)
    kept = load_examples(path, "keep")
    assert [example.line for example in kept.examples] == [1]
    assert kept.invalid[0].rule == "form"


def test_bytes_that_are_not_utf8_are_named(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_bytes(row().encode() + b"\n" + row().encode("cp949") + b"\n")
    with pytest.raises(InvalidExamplesError, match=r":2: form: not UTF-8"):
        load_examples(path)


def test_a_test_cell_is_never_kept(tmp_path: Path) -> None:
    heldout = cells("test")[0]
    path = chat_file(tmp_path, row(), row(GOOD, heldout))
    kept = load_examples(path, "keep")
    assert [example.reading for example in kept.examples] == [READING]
    assert kept.invalid[0].rule == "split"


def test_another_system_turn_is_counted_and_replaced(tmp_path: Path) -> None:
    other = json.loads(row())
    other["messages"][0]["content"] = "You write notices."
    without = {"messages": other["messages"][1:]}
    loaded = load_examples(chat_file(tmp_path, json.dumps(other), json.dumps(without)))
    assert loaded.other_system_turns == 1
    assert all(example.messages == chat_messages(READING, GOOD) for example in loaded.examples)


def test_a_file_without_a_usable_row_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no usable row of 1"):
        load_examples(chat_file(tmp_path, row(WRONG_DELTA)), "drop")


def test_the_written_examples_need_no_leniency() -> None:
    assert len(load_examples(TRAIN_FILE).examples) == 302
