"""Pictures: what they show is read back from the figure, what they are from the file."""

import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from eval import plots
from eval.plots import can_draw, curves, heat_map, rule_bars
from eval.theme import DARK, LIGHT, save_picture, styled
from tests.eval.made import answer, evaluation, record

SFT_LOG = [
    {"loss": 2.0, "step": 5, "epoch": 0.5},
    {"eval_loss": 1.5, "step": 10, "epoch": 1.0},
    {"eval_pass_rate": 0.25, "eval_validation/delta/pass_rate": 0.9, "step": 10, "epoch": 1.0},
    {"train_runtime": 3.0, "train_loss": 9.0, "step": 10, "epoch": 1.0},
]
DPO_LOG = [
    {"loss": 0.69, "rewards/margins": 0.0, "rewards/accuracies": 0.5, "dpo/chosen_logp_shift": 0.0, "step": 1},
    {"loss": 0.4, "rewards/margins": 1.0, "rewards/accuracies": 0.9, "dpo/chosen_logp_shift": -2.0, "step": 2},
    {"eval_loss": 0.5, "eval_rewards/margins": 0.8, "eval_dpo/chosen_logp_shift": -1.0, "step": 2},
]


@pytest.fixture(autouse=True)
def _coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few pixels: drawing is quicker, and what is drawn is the same."""
    monkeypatch.setattr("eval.theme.DPI", 50)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved, in their order."""
    saved: list[Figure] = []

    def keep(figure: Figure, path: Path) -> None:
        saved.append(figure)
        save_picture(figure, path)

    monkeypatch.setattr(plots, "save_picture", keep)
    return saved


def legend(figure: Figure) -> list[str]:
    found = figure.axes[0].get_legend() or figure.legends[0]
    return [text.get_text() for text in found.get_texts()]


def points(scatter: Any) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in scatter.get_offsets()]


def test_cells_lie_where_their_temperatures_are_and_show_the_gravest_failure(
    tmp_path: Path, figures: list[Figure]
) -> None:
    made = evaluation(
        [
            record(-20, 5),
            record(10, 20, answer("label", "delta")),
            record(11, 20, answer("length", "safety")),
            record(12, 20, answer("length", "script")),
            record(13, 20, answer("length")),
            record(14, 20, answer("direction", "park")),
        ]
    )
    heat_map(made, tmp_path / "map.png", name="SFT")
    axes = figures[0].axes[0]
    assert [points(scatter) for scatter in axes.collections] == [
        [(-20, 5)],
        [(10, 20), (14, 20)],
        [(11, 20)],
        [(12, 20)],
        [(13, 20)],
    ]
    assert legend(figures[0]) == [
        "passes every rule (1)",
        "fails delta group (2)",
        "fails content group (1)",
        "fails format group (1)",
        "fails length (1)",
    ]
    assert axes.get_title("left") == "SFT: 1 of 6 cells of test-mini pass"


def test_kinds_of_cells_differ_in_shape_and_in_colour(tmp_path: Path, figures: list[Figure]) -> None:
    heat_map(evaluation([record(1, 2)]), tmp_path / "map.png")
    drawn = figures[0].axes[0].collections
    assert len({scatter.get_paths()[0].vertices.tobytes() for scatter in drawn}) == 5
    assert len({tuple(scatter.get_facecolor()[0]) for scatter in drawn if len(scatter.get_facecolor())}) == 5


def test_a_cell_of_several_samples_passes_when_all_do(tmp_path: Path, figures: list[Figure]) -> None:
    made = evaluation([record(1, 2, answer(), answer()), record(2, 3, answer(), answer("length"))], temperature=1.0)
    heat_map(made, tmp_path / "map.png")
    assert figures[0].axes[0].get_title("left") == "sft: 1 of 2 cells of test-mini pass in every sample"


def test_bars_are_rates_with_their_intervals(tmp_path: Path, figures: list[Figure]) -> None:
    half = evaluation([record(1, 2), record(2, 3, answer("label")), record(3, 4), record(4, 5, answer("label"))])
    rule_bars({"base": half, "sft": evaluation([record(1, 2)])}, tmp_path / "bars.png")
    axes = figures[0].axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()][:3] == ["all eight rules", "label", "one_sentence"]
    base, sft = [bars for bars in axes.containers if hasattr(bars, "errorbar")]
    assert [bar.get_width() for bar in base][:3] == [50, 50, 100]
    assert [bar.get_width() for bar in sft][:3] == [100, 100, 100]
    # Wilson, 2 of 4: the centre 1/2, half the width z / (2 sqrt(n + z^2)) = 0.35.
    low, high = base.errorbar.lines[2][0].get_segments()[0][:, 0]
    assert (low, high) == pytest.approx((15.004, 84.996), abs=1e-3)
    assert legend(figures[0]) == ["base", "sft"]
    assert "1 to 4 readings of test-mini" in axes.get_title("left")


def test_bars_of_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no evaluation"):
        rule_bars({}, tmp_path / "bars.png")


def test_curves_draw_what_was_logged_and_leave_out_the_rest(tmp_path: Path, figures: list[Figure]) -> None:
    curves({"SFT": SFT_LOG}, tmp_path / "curves.png")
    loss, passed = figures[0].axes
    assert [line.get_xydata().tolist() for line in loss.lines] == [[[5, 2]], [[10, 1.5]]]
    assert [line.get_xydata().tolist() for line in passed.lines] == [[], [[10, 0.25]]]
    assert passed.get_title("left") == "Validation notices that pass every rule"


def test_curves_of_several_trainings_share_their_panels(tmp_path: Path, figures: list[Figure]) -> None:
    curves({"SFT": SFT_LOG, "DPO": DPO_LOG}, tmp_path / "curves.png")
    titles = [axes.get_title("left") for axes in figures[0].axes]
    assert titles[0] == "Loss"
    assert len(titles) == 5
    loss, margins = figures[0].axes[0], figures[0].axes[2]
    assert loss.lines[2].get_ydata().tolist() == [0.69, 0.4]
    assert [line.get_ydata().tolist() for line in margins.lines[:4]] == [[], [], [0, 1], [0.8]]
    assert legend(figures[0]) == ["training", "validation", "SFT", "DPO"]
    assert loss.lines[0].get_color() != loss.lines[2].get_color()


def test_a_log_without_a_quantity_is_refused(tmp_path: Path) -> None:
    log = [{"train_runtime": 1.0, "step": 1}]
    assert not can_draw(log)
    assert can_draw(SFT_LOG)
    with pytest.raises(ValueError, match="nothing to draw"):
        curves({"SFT": log}, tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


def test_hangul_has_glyphs(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        heat_map(evaluation([record(-5, 8)]), tmp_path / "map.png", name="뚝섬 공원 햇볕 쬐기 −5℃")
        rule_bars({"기본 → 학습": evaluation([record(-5, 8)])}, tmp_path / "bars.png")
        curves({"눈꽃": SFT_LOG}, tmp_path / "curves.png")


def test_a_missing_glyph_would_be_noticed(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="missing from font"):
            heat_map(evaluation([record(-5, 8)]), tmp_path / "map.png", name="\U0001f321")


def test_hangul_is_ink_and_differs_from_the_box_of_missing_glyphs(tmp_path: Path) -> None:
    pictures = []
    for number, text in enumerate(("가", "뷁", "\ue000")):
        with styled(LIGHT), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            figure = Figure(figsize=(1, 1))
            figure.text(0.2, 0.3, text, fontsize=40)
            save_picture(figure, tmp_path / f"{number}.png")
        pictures.append(imread(tmp_path / f"{number}.png"))
    assert len({picture.tobytes() for picture in pictures}) == 3
    assert all((picture[..., :3] < 0.5).any() for picture in pictures)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_the_same_input_gives_the_same_bytes_and_the_settings_of_others_stay(tmp_path: Path, theme: Any) -> None:
    made, before = evaluation([record(1, 2), record(2, 9, answer("delta"))]), dict(mpl.rcParams)
    for name in ("one", "two"):
        heat_map(made, tmp_path / f"{name}.png", theme=theme)
    first = (tmp_path / "one.png").read_bytes()
    assert first == (tmp_path / "two.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    assert b"matplotlib" not in first
    assert dict(mpl.rcParams) == before
    paper = imread(tmp_path / "one.png")[0, 0, :3]
    assert "#" + "".join(f"{round(255 * part):02x}" for part in paper) == theme.paper


def test_a_picture_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "map.png"
    path.write_bytes(b"before")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        heat_map(evaluation([record(1, 2)]), path)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
