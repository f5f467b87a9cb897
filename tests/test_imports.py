"""Imports run one way: rewards <- data <- models <- {sft, dpo, eval, serve} <- launch, bench."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = {
    "rewards": set[str](),
    "data": {"rewards"},
    "models": {"rewards", "data"},
    "eval": {"rewards", "data", "models"},
    "sft": {"rewards", "data", "models", "eval"},
    "dpo": {"rewards", "data", "models", "eval"},
    "serve": {"rewards", "data", "models"},
}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the room"
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("room", sorted(room for room in ALLOWED if (ROOT / room).is_dir()))
def test_a_room_imports_only_from_the_rooms_below_it(room: str) -> None:
    ours = {*ALLOWED, "launch", "bench", "tests"}
    for path in sorted((ROOT / room).rglob("*.py")):
        assert imported(path) & ours <= ALLOWED[room] | {room}, path


def test_the_judge_needs_no_torch() -> None:
    for path in sorted((ROOT / "rewards").rglob("*.py")):
        assert not imported(path) & {"torch", "transformers", "trl", "numpy"}, path


def test_every_script_finds_the_root_first() -> None:
    """``launch/sft.py`` would otherwise import itself as ``sft``."""
    scripts = [path for path in sorted((ROOT / "launch").glob("*.py")) if not path.name.startswith("_")]
    assert scripts
    for path in scripts:
        statements = ast.parse(path.read_text(encoding="utf-8")).body
        first = next(node for node in statements if isinstance(node, ast.Import | ast.ImportFrom))
        assert isinstance(first, ast.Import), path
        assert first.names[0].name == "_root", path
