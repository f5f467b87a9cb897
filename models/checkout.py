"""The state of the code: the commit, whether the tree differs from it, and the difference itself."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent
_CODE = (".py", ".yaml", ".toml", ".jinja", ".tsv")


@cache
def git_state() -> dict[str, Any] | None:
    """Commit and whether tracked or new files differ from it; None outside a git checkout."""
    try:
        return {"commit": _git("rev-parse", "HEAD").strip(), "dirty": bool(_git("status", "--porcelain").strip())}
    except (OSError, subprocess.SubprocessError):
        return None


def git_diff(root: Path = _ROOT) -> str:
    """What must be applied to the commit to get the code as it is; new files only when they are code.

    Empty when nothing differs and outside a git checkout. ``git apply`` takes it.
    """
    try:
        new = _git("ls-files", "--others", "--exclude-standard", "-z", root=root).split("\0")
        code = [name for name in new if name.endswith(_CODE)]
        # Two files that differ are exit code 1.
        added = [_git("diff", "--no-index", "--", "/dev/null", name, root=root, fine=(0, 1)) for name in code]
        return _git("diff", "HEAD", root=root) + "".join(added)
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(*arguments: str, root: Path = _ROOT, fine: tuple[int, ...] = (0,)) -> str:
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=20)
    if done.returncode not in fine:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return done.stdout
