from pathlib import Path

import pytest

from data.reading import Reading
from data.source import Notice, read_source


def write(folder: Path, text: str) -> Path:
    path = folder / "notices.tsv"
    path.write_text(text, encoding="utf-8")
    return path


def test_comments_and_empty_lines_are_for_the_reader(tmp_path: Path) -> None:
    path = write(tmp_path, "# rises\n\ntrain\t1\t2\t가\nvalidation\t-3\t4\t나\n")
    assert read_source(path) == (
        Notice("train", Reading(1, 2), "가", 3),
        Notice("validation", Reading(-3, 4), "나", 4),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train\t1\t2\n", ":1: expected"),
        ("\ntest\t1\t2\t가\n", ":2: expected"),
        ("train\t1.5\t2\t가\n", ":1: temperatures must be whole degrees"),
        ("train\t1\t2\t가\nvalidation\t1\t2\t나\n", ":2: reading 1 -> 2 stands already on line 1"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_source(write(tmp_path, text))
