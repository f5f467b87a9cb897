"""A grid on a tiny random model: its file is checked, what is missing is run, and a killed grid goes on."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import launch._grid as grid_module
from eval.compare_text import grid_table
from eval.record import EvaluationError
from launch._grid import Folder, open_folder, read_grid
from models.recipe import RecipeError
from models.runs import Run, RunError

ROOT = Path(__file__).parents[2]
GRIDS = sorted((ROOT / "launch" / "grids").glob("*.yaml"))

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def grid(text: str) -> Path:
        file = tmp_path / "grid.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return grid


HEAD = f"stage: sft\nrecipe: {ROOT}/launch/recipes/tiny-random/sft.yaml\n"


def test_the_ready_grids_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert [(file.stem, len(read_grid(file).cells), list(read_grid(file).seeds)) for file in GRIDS] == [
        ("gemma-3-270m", 9, [0, 1, 2]),
        ("tiny-random", 4, [0, 1]),
    ]
    for file in GRIDS:
        assert read_grid(file).split == "selection"


def test_the_first_values_make_the_first_cell(write: Write) -> None:
    grid = read_grid(write(HEAD + "factors:\n  lora_r: [4, 8]\n  weight_decay: [0.0, 0.1]\n"))
    assert [cell.name for cell in grid.cells] == [
        "lora_r 4, weight_decay 0",
        "lora_r 4, weight_decay 0.1",
        "lora_r 8, weight_decay 0",
        "lora_r 8, weight_decay 0.1",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEAD + "factor: {}\n", "grid.yaml: factor is unknown; did you mean factors?"),
        (HEAD + "factors: {lora_rr: [4]}\n", "grid.yaml: factors: lora_rr is unknown; did you mean lora_r?"),
        (HEAD + "options: {bta: 1}\n", "grid.yaml: options: bta is unknown"),
        (HEAD + "options: {seed: 1}\n", "grid.yaml: options: seed: list the seeds under seeds"),
        (
            HEAD + "options: {lora_r: 4}\nfactors: {lora_r: [4]}\n",
            "grid.yaml: factors: lora_r stands among the options",
        ),
        (HEAD + "factors: {lora_r: 4}\n", r"grid.yaml: factors: expected lines of 'key: \[value, value\]'"),
        (HEAD + "factors: {lora_r: [4, 4]}\n", "grid.yaml: factors: lora_r: a value stands twice"),
        (HEAD + "factors: {lora_r: [4, many]}\n", "grid.yaml: lora_r many is not possible: see above"),
        (
            HEAD + "factors: {lora_dropout: [0.0, 2.0]}\n",
            "lora_dropout 2 is not possible: lora_dropout must be in 0..1",
        ),
        (HEAD + "seeds: [0, one]\n", "grid.yaml: seeds: expected a list of whole numbers"),
        (HEAD + "seeds: [1, 1]\n", "grid.yaml: seeds: one stands twice"),
        (HEAD + "split: train\n", "grid.yaml: split: expected one of .*selection.*, got 'train'"),
        (HEAD + "limit: 0\n", "grid.yaml: limit: expected a number of readings, got 0"),
        (HEAD.replace("sft\n", "rl\n"), "grid.yaml: stage: expected sft or dpo, got 'rl'"),
        (HEAD.replace("sft.yaml", "none.yaml"), "grid.yaml: recipe: there is no .*none.yaml"),
    ],
)
def test_what_a_file_says_wrong_is_told_with_file_and_key(
    text: str, told: str, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RecipeError, match=told):
        read_grid(write(text))


def test_a_dpo_grid_without_an_sft_run_is_told(write: Write, tmp_path: Path) -> None:
    grid = read_grid(write(HEAD.replace("sft", "dpo")))
    with pytest.raises(RunError, match="no finished sft run"):
        open_folder(grid, tmp_path)


@pytest.fixture
def folder(chat_files, write: Write, tmp_path: Path) -> Folder:
    """Two learning rates and two seeds of SFT, three steps each."""
    train, validation = chat_files
    options = f"{{train_file: {train}, validation_file: {validation}, max_steps: 2, eval_steps: 2, save_steps: 2}}"
    text = f"options: {options}\nfactors: {{learning_rate: [1.0e-3, 1.0e-2]}}\nseeds: [0, 1]\nlimit: 3\n"
    return open_folder(read_grid(write(HEAD + text)), tmp_path / "runs")


def test_a_killed_grid_goes_on_where_it_was(folder: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ordinary, trained = grid_module.sft.train.run_sft, []

    def run_sft(settings, **more):
        if len(trained) == 1:
            trained.append("killed")
            raise KeyboardInterrupt
        trained.append(ordinary(settings, **more).id)
        return Run(settings.run.folder / trained[-1])

    monkeypatch.setattr(grid_module.sft.train, "run_sft", run_sft)
    with pytest.raises(KeyboardInterrupt):
        folder.do()
    again = open_folder(folder.grid, tmp_path / "runs")
    assert again.path == folder.path
    assert [run.id if run else None for _, _, run in again.plan()] == [trained[0], None, None, None]
    with pytest.raises(RunError, match=r"learning_rate 0\.001, seed 1 is not finished"):
        again.compared()
    found = again.do()
    assert len(set(trained)) == 5  # four runs and the one that was killed before it began
    assert [(arm.name, len(arm.runs)) for arm in found.arms] == [("learning_rate 0.001", 2), ("learning_rate 0.01", 2)]
    assert [run.manifest["recipe"]["seed"] for run in found.arms[1].runs] == [0, 1]
    assert len(found.readings) == 3
    headings, rows = grid_table(found)
    assert [row[headings.index("seeds")] for row in rows] == ["2", "2"]
    assert re.search(r"p 1\.000 Holm 1\.000", rows[1][headings.index("chance")])
    cost = re.search(r"([\d.]+) CPU min ([\d,]+) tokens", rows[1][-1])
    assert int(cost[2].replace(",", "")) > 100
    assert all(set(run.evaluations) == {"selection"} for arm in found.arms for run in arm.runs)

    trained.clear()
    assert open_folder(folder.grid, tmp_path / "runs").do().rates == found.rates
    assert trained == []
    assert open_folder(folder.grid, tmp_path / "runs", new=True).path != folder.path


def test_an_unfinished_run_is_resumed(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.recipe import recipe_text, resolved
    from models.runs import create_run

    cell = folder.grid.cells[0]
    settings = folder.settings(cell, 1)
    text = recipe_text(settings.parts, [type(part)() for part in settings.parts])
    begun = create_run(
        "sft", resolved(*settings.parts), runs_dir=folder.runs_dir, recipe_text=text, group=folder.path.name
    )
    (_, _, first), (_, _, second), *_ = folder.plan()
    assert (first, second) == (None, begun)
    resumed = []

    def run_sft(settings, **_):
        resumed.append(settings.run.resume)
        raise KeyboardInterrupt

    monkeypatch.setattr(grid_module.sft.train, "run_sft", run_sft)
    monkeypatch.setattr(grid_module.Folder, "plan", lambda self: [(cell, 1, begun)])
    with pytest.raises(KeyboardInterrupt):
        folder.do()
    assert resumed == [str(begun.path)]


def test_runs_of_another_grid_are_none_of_this(folder: Folder) -> None:
    from models.recipe import resolved
    from models.runs import create_run

    recipe = resolved(*folder.settings(folder.grid.cells[0], 0).parts)
    create_run("sft", recipe, runs_dir=folder.runs_dir, group="another")
    assert all(run is None for _, _, run in folder.plan())


def test_an_evaluation_of_other_readings_is_told(folder: Folder, sft_run: Run, tmp_path: Path) -> None:
    from eval.record import save_evaluation
    from tests.eval.gathered import outcomes

    run = Run(tmp_path / "sft-1")
    run.eval.mkdir(parents=True)
    assert not folder.evaluated(run)
    save_evaluation(outcomes("sft-1", [True, False], split="selection", split_size=200), run.eval)
    with pytest.raises(EvaluationError, match="holds 2 readings, the grid asks for 3: delete it"):
        folder.evaluated(run)


def test_a_damaged_state_is_told(folder: Folder, tmp_path: Path) -> None:
    folder.path.mkdir(parents=True)
    (folder.path / "state.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match=r"state\.json is damaged.*--new"):
        open_folder(folder.grid, tmp_path / "runs")
