import json
from pathlib import Path

import pytest

from data.prompts import SYSTEM_PROMPT
from data.reading import Reading
from dpo.pairs import Pair, violation, write_pairs
from rewards.verdict import RuleName

GOOD = "어제보다 7도 올라 한결 포근해졌으니 가벼운 겉옷을 걸치고 공원 둘레길을 천천히 걸어 보세요."
READING = Reading(10, 17)
PAIR = Pair(READING, GOOD, GOOD.replace("7도", "8도"), "delta_off_by_one", "delta")


def test_a_row_is_a_conversational_preference_with_its_facts() -> None:
    assert PAIR.row == {
        "prompt": [
            {"role": "system", "content": SYSTEM_PROMPT},
            {"role": "user", "content": "어제 10도, 오늘 17도"},
        ],
        "chosen": [{"role": "assistant", "content": GOOD}],
        "rejected": [{"role": "assistant", "content": GOOD.replace("7도", "8도")}],
        "fault": "delta_off_by_one",
        "rule": "delta",
        "source": "fault",
        "yesterday": 10,
        "today": 17,
        "edit_distance": 1,
    }


@pytest.mark.parametrize(
    ("rejected", "breaks", "reason"),
    [
        (GOOD.replace("7도", "8도"), {"delta"}, None),
        (GOOD.replace("올라", "떨어져").replace("포근", "쌀쌀"), {"direction"}, None),
        ("출력: " + GOOD, {"label"}, None),
        (f"**{GOOD}**", {"label", "script"}, None),
        (f"**{GOOD}**", {"label"}, "also fails script"),
        ("출력: " + GOOD, {"label", "script"}, "passes script"),
        (GOOD.replace("7도", "8도").replace("공원", "강변"), {"delta"}, "also fails park"),
        (GOOD, {"delta"}, "same text"),
        (f" {GOOD}\n", {"delta"}, "same text"),
    ],
)
def test_the_contract(rejected: str, breaks: set[RuleName], reason: str | None) -> None:
    assert violation(GOOD, rejected, READING, frozenset(breaks)) == reason


def test_token_ids_must_differ_too() -> None:
    rejected = GOOD.replace("7도", "8도")
    assert violation(GOOD, rejected, READING, frozenset({"delta"}), encode=lambda text: [len(text)]) == "same token ids"
    assert violation(GOOD, rejected, READING, frozenset({"delta"}), encode=lambda text: list(text.encode())) is None


def test_a_file_is_one_json_object_a_line(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    write_pairs(path, [PAIR, PAIR])
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [PAIR.row, PAIR.row]


def test_a_missing_folder_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_pairs(tmp_path / "none" / "pairs.jsonl", [PAIR])
    assert list(tmp_path.iterdir()) == []
