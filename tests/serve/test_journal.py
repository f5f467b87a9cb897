import json
import os

import pytest

from serve.journal import Journal, cut_torn_line, previous


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_lines_are_whole_and_in_order(tmp_path):
    path = tmp_path / "new" / "journal.jsonl"
    journal = Journal(path, 10_000)
    for number in range(3):
        journal.write({"message": f"어제보다\n{number}도"})
    journal.close()
    assert [line["message"] for line in lines(path)] == [f"어제보다\n{number}도" for number in range(3)]
    assert all(line["time"].endswith("+00:00") for line in lines(path))


@pytest.mark.parametrize("torn", ['{"message": "어', "x" * 200_000])
def test_a_torn_last_line_is_cut_off_and_said(tmp_path, capsys, torn):
    path = tmp_path / "journal.jsonl"
    path.write_text('{"message": 1}\n{"message": 2}\n' + torn, encoding="utf-8")
    journal = Journal(path, 10_000_000)
    journal.write({"message": 3})
    journal.close()
    assert [line["message"] for line in lines(path)] == [1, 2, 3]
    assert f"{path}: cut off {len(torn.encode())} bytes of a torn last line" in capsys.readouterr().err


def test_nothing_is_cut_where_nothing_is_torn(tmp_path, capsys):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"a": 1}\n')
    assert cut_torn_line(path) == 0
    assert cut_torn_line(tmp_path / "none") == 0
    assert path.read_bytes() == b'{"a": 1}\n'
    path.write_bytes(b"torn")
    assert cut_torn_line(path) == 4
    assert path.read_bytes() == b""


def test_growth_is_bounded_and_the_newest_lines_stay(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, 1000)
    for number in range(100):
        journal.write({"number": number})
        assert path.stat().st_size <= 1000
    journal.close()
    kept = [line["number"] for line in [*lines(previous(path)), *lines(path)]]
    assert kept == list(range(kept[0], 100))
    assert len(kept) > 10
    assert previous(path).stat().st_size <= 1000


def test_a_line_that_the_disk_takes_in_part_is_taken_back(tmp_path, monkeypatch):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, 1000)
    journal.write({"number": 1})
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, line: write(file, line[:5]))
    with pytest.raises(OSError, match=r"only 5 of \d+ bytes"):
        journal.write({"number": 2})
    monkeypatch.undo()
    journal.write({"number": 3})
    journal.close()
    assert [line["number"] for line in lines(path)] == [1, 3]


def test_a_lone_surrogate_is_kept_readable(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl", 1000)
    journal.write({"message": "\ud800"})
    journal.close()
    assert lines(tmp_path / "journal.jsonl")[0]["message"] == "\ud800"
