import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOOD = "어제보다 7도 올라 한결 포근해졌으니 가벼운 겉옷을 걸치고 공원 둘레길을 천천히 걸어 보세요."
ROW = {"id": "a-1", "yesterday": 10, "today": 17, "message": GOOD}


def run(*arguments: str, folder: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "launch" / "judge.py"), *arguments]
    return subprocess.run(
        command, cwd=folder, input=text, capture_output=True, text=True, encoding="utf-8", check=False
    )


def test_the_line_comes_back_with_its_verdict(tmp_path: Path) -> None:
    rows = [ROW, {**ROW, "message": "출력: " + GOOD.replace("7도", "8도"), "extra": [1]}]
    (tmp_path / "in.jsonl").write_text("\n\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    done = run("--input", "in.jsonl", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    good, bad = map(json.loads, done.stdout.splitlines())
    assert {key: good[key] for key in ROW} == ROW
    assert good["verdict"]["passed"] is True
    assert good["verdict"]["groups"] == {"format": True, "length": True, "delta": True, "content": True}
    assert good["verdict"]["soft"] == {"state": True, "advice": True}
    assert bad["extra"] == [1]
    failed = {name: result for name, result in bad["verdict"]["rules"].items() if not result["passed"]}
    assert set(failed) == {"label", "delta"}
    assert failed["delta"] == {"passed": False, "measured": [8], "reason": "the change is given as 8, it is 7"}
    assert bad["verdict"]["rules"]["length"] == {"passed": True, "measured": len(GOOD) + 4, "reason": None}


def test_standard_input_and_the_limits(tmp_path: Path) -> None:
    done = run("--min-chars", "60", folder=tmp_path, text=json.dumps(ROW))
    assert done.returncode == 0
    assert json.loads(done.stdout)["verdict"]["groups"]["length"] is False


def test_lone_surrogates_come_through(tmp_path: Path) -> None:
    done = run(folder=tmp_path, text=json.dumps({**ROW, "message": "\ud800"}))
    assert done.returncode == 0
    assert json.loads(done.stdout)["verdict"]["rules"]["script"]["measured"] == "U+D800"


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("{", "Expecting property name"),
        ("[]", "expected an object"),
        (json.dumps({"yesterday": 1, "today": 2}), "'message' is missing"),
        (json.dumps({**ROW, "today": "17"}), "'today' must be a whole number, got '17'"),
        (json.dumps({**ROW, "today": 17.5}), "'today' must be a whole number, got 17.5"),
        (json.dumps({**ROW, "yesterday": True}), "'yesterday' must be a whole number, got True"),
        (json.dumps({**ROW, "message": None}), "'message' must be a text, got None"),
        ("[" * 100_000, "recursion"),
    ],
    ids=["json", "list", "missing", "text", "half", "bool", "none", "deep"],
)
def test_a_bad_line_is_named_and_nothing_is_written(line: str, cause: str, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(f"{json.dumps(ROW)}\n\n{line}\n", encoding="utf-8")
    done = run("--input", "in.jsonl", folder=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("judge: in.jsonl:3: ")
    assert cause in done.stderr


def test_bytes_that_are_no_utf8_are_named(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(json.dumps(ROW).encode() + b'\n{"message": "\xff"}\n')
    done = run("--input", "in.jsonl", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "in.jsonl:2: " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["--input", "none.jsonl"], "none.jsonl"),
        (["--min-chars", "80"], "min_chars 80"),
        (["--max-sentences", "0"], "max_sentences"),
    ],
    ids=["file", "limits", "sentences"],
)
def test_bad_options_exit_with_2(arguments: list[str], cause: str, tmp_path: Path) -> None:
    done = run(*arguments, folder=tmp_path, text=json.dumps(ROW))
    assert done.returncode == 2
    assert cause in done.stderr
