"""The report of hand-made evaluations, read back as a browser would."""

import json
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup

from data.reading import BUCKETS, Reading, bucket
from data.splits import cells
from eval import report as report_module
from eval.choose import spread
from eval.meaning import measure_meanings, measure_order
from eval.measure import MEASURES
from eval.ran import SETTINGS, duration, environment_facts
from eval.record import Evaluation, Record
from eval.report import Report, ReportStage, page_values, write_report
from models.runs import RunError, create_run, finish_run
from rewards.rubric import Rubric
from rewards.verdict import RULES
from tests.eval.made import answer, evaluation, record

ENVIRONMENT = {
    "git": {"commit": "a" * 40, "dirty": True},
    "packages": {"torch": "2.13.0"},
    "hardware": {"cores": 2, "accelerators": []},
}
NASTY = "</p><script>alert('공원')</script><img src=x onerror=alert(1)>\u202e\x00\ud800"
CUE = {"alone": 0.5, "paired": 0.625}
CUES = {
    "pairs": 8,
    **dict.fromkeys(("length", "first_word", "last_word"), CUE),
    "rejected_length": {"shorter": 0.25, "equal": 0.25, "longer": 0.5},
}
PAIRS = {
    "examples": 3,
    "pairs": 8,
    "faults": {
        "delta_sum": {"made": 5, "given_up": {"also fails length": 2, "does not apply": 1}, "broken_candidates": {}},
        "emoji": {"made": 3, "given_up": {}, "broken_candidates": {}},
    },
    "unusable": [],
    "missing": {"delta": [[1, 2]]},
    "cues": {"all": CUES, "delta_sum": CUES, "emoji": CUES},
}
CELLS = [(10, 20), (11, 14), (20, 15), (5, 5), (-15, -14)]


@pytest.fixture
def drawn() -> None:
    """Asked for by a test that needs the pictures; the others do without, for drawing takes seconds."""


@pytest.fixture(autouse=True)
def _quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "drawn" not in request.fixturenames:
        stub = Markup('<picture><img src="data:image/png;base64," alt="{}"></picture>')
        monkeypatch.setattr(report_module, "picture", lambda draw, alternative: stub.format(alternative))


def made(*failed: str, stage: str = "sft", text: str = "", **changes: Any) -> Evaluation:
    """All cells pass, but the first, which fails the given rules."""
    records = [record(*CELLS[0], answer(*failed, text=text)), *(record(*cell) for cell in CELLS[1:])]
    return evaluation(records, stage=stage, split_size=len(CELLS), **changes)


def page(stages: Sequence[ReportStage], path: Path, **more: Any) -> "Page":
    write_report(path, Report(stages, environment=ENVIRONMENT, **more))
    parsed = Page()
    parsed.feed(path.read_text(encoding="utf-8"))
    return parsed


@dataclass
class Page(HTMLParser):
    """Tags with their attributes, the text of each kind of element, and the rows of tables."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "img", "source"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open or not data.strip():
            return
        self.words.append(" ".join(data.split()))
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] = f"{self.rows[-1][-1]} {' '.join(data.split())}".strip()

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def row(self, begin: str) -> list[str]:
        return next(row for row in self.rows if row and row[0].startswith(begin))

    def count(self, tag: str, kind: str | None = None) -> int:
        return sum(name == tag and kind in (None, attributes.get("class")) for name, attributes in self.tags)


def three() -> list[ReportStage]:
    log = [{"loss": 1.0, "step": 1}, {"eval_loss": 0.9, "eval_dpo/accuracy/delta_sum": 0.75, "step": 1}]
    base = evaluation([record(*cell, answer("delta", "label")) for cell in CELLS], stage="base", split_size=5)
    return [
        ReportStage("base", base),
        ReportStage("SFT", made("delta")),
        ReportStage("DPO", made(stage="dpo"), log=log),
    ]


@pytest.mark.usefixtures("drawn")
def test_three_stages(tmp_path: Path) -> None:
    found = page(three(), tmp_path / "report.html", pairs=PAIRS)
    # 0, 4 and 5 of 5. Exact McNemar: 4 gained and none lost is 2 / 2^4, 1 gained is 1.
    overall = found.row("overall")
    assert overall[1:4] == ["0.0% 0.0–43.4%", "80.0% 37.6–96.4%", "100.0% 56.6–100.0%"]
    assert overall[4:] == ["+4 −0 p = 0.125", "+1 −0 p = 1.000"]
    assert found.row("label")[1] == "0.0% 0.0–43.4%"
    assert found.row("park")[1] == "100.0% 56.6–100.0%"
    assert "wrong or missing in 5 of 5 readings (base), 1 of 5 readings (SFT), 0 of 5 readings (DPO)." in found.text
    assert "Against SFT: 1 gained , 0 lost , p = 1.000 (exact McNemar)" in found.text
    assert found.row("different wordings")[1:] == ["0 of 0", "1 of 4 25.0%", "1 of 5 20.0%"]
    pictures = [attributes for tag, attributes in found.tags if tag in ("img", "source")]
    assert len(pictures) == 2 * (1 + 3 + 1)
    for attributes in pictures:
        url = attributes.get("src") or attributes["srcset"] or ""
        assert b64decode(url.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
    assert found.count("article", "notice") == 5
    assert not found.open


@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_measure_has_a_row_and_every_stage_a_column(tmp_path: Path, number: int) -> None:
    found = page(three()[:number], tmp_path / "report.html")
    for measure in MEASURES:
        if measure != "length_group":
            assert len(found.row(measure)) == 1 + number + number - 1
    assert found.count("section", "card") == number
    assert ("exact McNemar" in found.text) is (number > 1)
    assert found.count("div", "version") == 5 * number
    assert ("Pairs" in found.words) is False


def test_pairs_are_counted_and_ranked(tmp_path: Path) -> None:
    found = page(three(), tmp_path / "report.html", pairs=PAIRS)
    assert "8 pairs from 3 written examples. Each" in found.text
    assert "Without a pair: delta for 1 example." in found.text
    assert found.row("delta_sum") == ["delta_sum", "5", "3 also fails length", "62.5%", "62.5%", "62.5%", "75.0%"]
    assert found.row("emoji") == ["emoji", "3", "0", "62.5%", "62.5%", "62.5%", ""]


def test_pairs_of_the_pool_are_counted_with_the_others(tmp_path: Path) -> None:
    faults = {"delta_sum": {"made": 4, "given_up": {"does not apply": 3}, "broken_candidates": {}}}
    faults["delta_today"] = {"made": 1, "given_up": {}, "broken_candidates": {}}
    pool = {"cells": 9, "per_cell": 3, "examples": 7, "pairs": 5, "faults": faults, "unusable": [], "missing": {}}
    found = page(three(), tmp_path / "report.html", pairs=PAIRS | {"pool": pool})
    assert "8 pairs from 3 written examples, and 5 from 7 cells of the pool" in found.text
    assert "have met 7 cells more" in found.text
    assert found.row("delta_sum")[1:3] == ["9", "6 does not apply"]
    assert found.row("delta_today")[1:] == ["1", "0", "", "", "", ""]


def test_slices_are_listed(tmp_path: Path) -> None:
    found = page(three()[1:2], tmp_path / "report.html")
    assert found.row("rise of 10 and more")[1:] == ["1", "0.0% 0.0–79.3%"]
    assert found.row("no change")[1:] == ["1", "100.0% 20.7–100.0%"]
    assert found.row("10")[1:] == ["0 of 1 0.0%", "0 of 1 0.0%"]
    assert "Every change of these readings was taught" in found.text
    # (-15, -14) alone lies below zero, and it passes; none lies across.
    assert found.row("below zero")[1:] == ["1", "100.0% 20.7–100.0%", "100.0% 20.7–100.0%"]
    assert found.row("zero or above")[1:] == ["4", "75.0% 30.1–95.4%", "75.0% 30.1–95.4%"]
    assert not any(row[0].startswith(("across", "size of")) for row in found.rows if row)


def test_changes_that_were_not_taught_are_told_apart(tmp_path: Path) -> None:
    taught = [Reading(1, 11), Reading(2, 3)]
    found = page(three()[1:2], tmp_path / "report.html", taught=taught)
    # Sizes 10, 3, 5, 0, 1: 10 and 1 are taught, and 10 fails.
    assert found.row("size of the change taught")[1:] == ["2", "50.0% 9.5–90.5%", "50.0% 9.5–90.5%"]
    assert found.row("size of the change not taught")[1] == "3"
    assert "Every change of these readings was taught" not in found.text


def test_notices_are_shown_with_reasons(tmp_path: Path) -> None:
    found = page([ReportStage("SFT", made("delta", "park", text="오늘은 따뜻합니다."))], tmp_path / "report.html")
    assert "어제 10도, 오늘 20도 +10 °C, rise of 10 and more" in found.text
    assert "✗ fails 2 rules 오늘은 따뜻합니다. delta no delta park no park" in found.text
    assert found.text.count("✓ passes") == 4


def test_nothing_runs_and_nothing_is_loaded(tmp_path: Path) -> None:
    stages = [ReportStage("<i>SFT & $x$", made("delta", text=NASTY, device=NASTY, model=NASTY))]
    found = page(stages, tmp_path / "report.html", remarks=[NASTY], pairs=PAIRS)
    allowed = {"html", "head", "meta", "title", "style", "body", "main", "nav", "a", "picture", "source", "img"}
    allowed |= {
        "h1",
        "h2",
        "h3",
        "h4",
        "p",
        "ul",
        "li",
        "b",
        "i",
        "div",
        "span",
        "strong",
        "small",
        "section",
        "article",
    }
    allowed |= {"header", "footer", "figure", "dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td"}
    allowed |= {"details", "summary", "pre"}
    assert {tag for tag, _ in found.tags} <= allowed
    for tag, attributes in found.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "srcset"):
            assert (attributes.get(name) or "data:image/png;base64,").startswith("data:image/png;base64,")
        if tag == "a":
            assert (attributes["href"] or "").startswith("#")
    policy = [a["content"] for _, a in found.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    assert "url(" not in (tmp_path / "report.html").read_text(encoding="utf-8").lower()
    # Shown as it is: notice, device, model, name, remark.
    assert "</p><script>alert('공원')</script><img src=x onerror=alert(1)>⟨U+202E⟩⟨U+0000⟩⟨U+D800⟩" in found.text


def test_links_lead_somewhere(tmp_path: Path) -> None:
    for pairs in (None, PAIRS):
        found = page(three()[:2] if pairs is None else three(), tmp_path / "report.html", pairs=pairs)
        targets = {attributes["id"] for _, attributes in found.tags if "id" in attributes}
        links = {str(attributes["href"])[1:] for tag, attributes in found.tags if tag == "a"}
        assert links == targets


def test_the_same_input_gives_the_same_page(tmp_path: Path) -> None:
    page(three(), tmp_path / "one.html", pairs=PAIRS)
    page(three(), tmp_path / "two.html", pairs=PAIRS)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_remarks_of_the_caller_and_of_the_evaluations(tmp_path: Path) -> None:
    base, sft, _ = three()
    sft = replace(sft, evaluation=replace(sft.evaluation, split_size=200, rubric=Rubric(max_chars=80), device="gpu"))
    found = page([base, sft], tmp_path / "report.html", remarks=["Fewer steps than the full recipe."])
    assert "Fewer steps than the full recipe." in found.words
    assert "SFT: only the first 5 of the 200 readings of test-mini were taken." in found.text
    assert "max_chars=80" in found.text
    assert "Response times of base and SFT come from different devices" in found.text
    assert found.row("overall")[3] == "not tested"
    assert sum(row[-1] == "not tested" for row in found.rows) == len(measure_order())


def test_a_remark_on_several_stages_is_made_once(tmp_path: Path) -> None:
    base, sft, _ = (replace(stage, evaluation=replace(stage.evaluation, split_size=9)) for stage in three())
    found = page([base, sft], tmp_path / "report.html")
    assert "base, SFT: only the first 5 of the 9 readings of test-mini were taken." in found.words


def test_without_remarks_there_is_no_box_for_them(tmp_path: Path) -> None:
    found = page([ReportStage("SFT", made())], tmp_path / "report.html")
    assert found.count("div", "remarks") == 0


def test_several_samples_are_reported_as_such(tmp_path: Path) -> None:
    records = [Record(Reading(*cell), (answer(), answer("delta"))) for cell in CELLS]
    several = evaluation(records, temperature=1.0, split_size=5)
    found = page([ReportStage("SFT", several), ReportStage("DPO", several)], tmp_path / "report.html")
    assert found.row("overall")[1] == "50.0% " + found.row("delta")[1].split()[1]
    assert found.row("every sample of a reading passes")[1].startswith("0.0%")
    assert "DPO was not tested against SFT: " in found.text
    assert "the first one is shown" in found.text


def test_a_run_tells_what_ran(tmp_path: Path) -> None:
    recipe = {
        "learning_rate": 1e-3,
        "max_steps": -1,
        "loss_type": ["sigmoid", "sft"],
        "output_dir": "x",
        "lora_r": None,
    }
    data = {
        "train": {"file": "/somewhere/data/train.jsonl", "sha256": "f" * 64},
        "examples": 302,
        "by_fault": {str(number): number for number in range(20)},
    }
    run = create_run("dpo", recipe, runs_dir=tmp_path, recipe_text="beta: 0.1 # <b>\n", data=data)
    run.record(
        git={"commit": "c" * 40, "dirty": True},
        started="2026-01-02T03:04:05+00:00",
        training={"steps": 7, "epochs": 1.0, "seconds": 250.0, "resumed_from": "checkpoint-3", "best_checkpoint": None},
        displacement={"step": 5.0, "shift": -6.25},
        wandb={"mode": "offline", "reason": "no W&B key was found", "folder": "/w", "url": None},
    )
    run.adapter.mkdir()
    (run.adapter / "adapter_config.json").write_text("{}")
    finish_run(run)
    found = page([ReportStage("DPO", made(), run)], tmp_path / "report.html")
    assert f"run {run.id} started 2026-01-02 03:04 UTC training 7 steps, 1 epochs in 4 min 10 s" in found.text
    assert "settings loss_type sigmoid + sft, learning_rate 0.001 data" in found.text
    assert "data train file data/train.jsonl, train sha256 ffffffffffff, examples 302 code" in found.text
    assert "W&B offline, no W&B key was found: /w" in found.text
    assert "beta: 0.1 # <b>" in found.words
    assert "DPO: ran on code with changes beyond commit cccccccccccc." in found.words
    assert "DPO: at step 5 the chosen notices had become 6.2 nats less probable" in found.text
    assert "went on from checkpoint-3" in found.text


def test_a_damaged_manifest_is_an_error(tmp_path: Path) -> None:
    run = create_run("sft", {}, runs_dir=tmp_path)
    (run.path / "unfinished.json").write_text("{")
    with pytest.raises(RunError, match=run.id):
        page([ReportStage("SFT", made(), run)], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_stages_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        page_values(Report([], environment={}))
    with pytest.raises(ValueError, match="different names"):
        page_values(Report([ReportStage("a", made()), ReportStage("a", made())], environment={}))
    with pytest.raises(ValueError, match="test-mini and guide"):
        page_values(Report([ReportStage("a", made()), ReportStage("b", made(split="guide"))], environment={}))


def test_the_environment_is_told() -> None:
    assert environment_facts(ENVIRONMENT) == [
        ("code", "commit aaaaaaaaaaaa, with changes beyond it"),
        ("cores", "2"),
        ("accelerators", "none"),
        ("packages", "torch 2.13.0"),
    ]
    assert environment_facts({})[0] == ("code", "no git checkout")


def test_by_default_the_environment_is_this_one() -> None:
    made_now = Report([]).environment
    assert json.dumps(made_now)
    assert made_now["packages"]["python"]
    assert set(made_now) == {"git", "packages", "hardware"}


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0.04, 59.4, 59.6, 60, 3725)] == [
        "0.0 s",
        "59.4 s",
        "1 min 0 s",
        "1 min 0 s",
        "62 min 5 s",
    ]


def test_readings_are_spread_over_the_buckets_whatever_was_written() -> None:
    readings = cells("test-mini")
    chosen = spread(readings, 20)
    assert len(set(chosen)) == 20
    counts = {name: sum(bucket(reading) == name for reading in chosen) for name in BUCKETS}
    assert set(counts.values()) <= {2, 3}
    # The first of a bucket in the split's order is always among them.
    assert {next(r for r in readings if bucket(r) == name) for name in BUCKETS} <= set(chosen)
    assert [BUCKETS.index(bucket(reading)) for reading in chosen] == sorted(BUCKETS.index(bucket(r)) for r in chosen)
    assert spread(readings[:3], 20) == sorted(readings[:3], key=lambda r: (BUCKETS.index(bucket(r)), r.delta, r))
    assert spread(readings, 0) == []


def test_names_cover_what_they_name() -> None:
    assert set(measure_meanings(Rubric())) == set(MEASURES)
    assert sorted(measure_order()) == sorted(set(MEASURES) - {"length_group"})
    assert "1 to 9 characters" in measure_meanings(Rubric(min_chars=1, max_chars=9))["length"]
    assert measure_meanings(Rubric(max_sentences=2))["one_sentence"] == "at most 2 finished, polite sentences"
    assert len(set(SETTINGS)) == len(SETTINGS)
    assert set(RULES) < set(measure_order())
    assert report_module.STAGE_NAMES.keys() == {"base", "sft", "dpo"}
