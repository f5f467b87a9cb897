"""The state of the code can be put back: the commit with the difference applied."""

import subprocess
from pathlib import Path

from models.checkout import git_diff


def git(root: Path, *arguments: str, text: str | None = None) -> str:
    command = ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def test_the_difference_applied_to_the_commit_gives_the_code_back(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    git(root, "init", "-q")
    (root / "old.py").write_text("a = 1\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    assert git_diff(root) == ""
    (root / "old.py").write_text("a = 2\n")
    (root / "new.py").write_text("b = 1\n")
    (root / "letter.txt").write_text("private")
    difference = git_diff(root)
    assert "private" not in difference
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(root), str(clone)], check=True)
    git(clone, "apply", text=difference)
    assert (clone / "old.py").read_text() == "a = 2\n"
    assert (clone / "new.py").read_text() == "b = 1\n"


def test_outside_a_checkout_there_is_none(tmp_path: Path) -> None:
    assert git_diff(tmp_path) == ""
