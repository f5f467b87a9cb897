"""Runs read from their directories and, where these are gone, from W&B's offline files."""

import json
import shutil
from pathlib import Path

import pytest
import wandb

from eval.arms import pooled
from eval.compare import compare
from eval.evaluate import evaluate, plan
from eval.gather import gather
from eval.measure import MEASURES
from eval.record import EvaluationError, Generation, load_evaluation, save_evaluation
from eval.summary import rates
from eval.track import track_evaluation
from models.adapter import load_adapter
from models.load import load_base, run_spec
from models.runs import Run, RunError
from models.wandb_files import OfflineRun, find_offline, last_per_step
from tests.stage_cases import sft_settings

SPLIT = "test-mini"


@pytest.fixture(scope="module")
def tracked(chat_files, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, OfflineRun], Path]:
    """An SFT run and its evaluation, both tracked offline, and what lies in W&B's folder afterwards."""
    from sft.train import run_sft

    folder = tmp_path_factory.mktemp("tracked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_DIR", str(folder))
        run = run_sft(sft_settings(chat_files, folder / "runs", tracking="offline"))
        loaded = load_base(run_spec(run))
        planned = plan(loaded, SPLIT, run=run, limit=5, generation=Generation(max_new_tokens=12))
        evaluation = evaluate(load_adapter(loaded, run.adapter), loaded.tokenizer, planned)
        track_evaluation(evaluation, run, save_evaluation(evaluation, run.eval), {}, wanted="offline")
        wandb.teardown()
    return run, find_offline(folder / "wandb"), folder


def test_the_offline_files_hold_the_final_metrics_of_the_runs_own_files(tracked) -> None:
    run, offline, _ = tracked
    own = load_evaluation(run.eval / f"{SPLIT}.json")
    expected = {name: rate.rate for name, rate in rates(own.records).items()}
    evaluated = [part for part in offline.values() if part.job_type == "eval"]
    assert len(evaluated) == 1
    for summary in (evaluated[0].summary, offline[run.id].summary):
        for name, value in expected.items():
            key = f"final/{SPLIT}/overall" if name == "overall" else f"final/{SPLIT}/{name}/pass_rate"
            assert summary[key] == pytest.approx(value, abs=1e-12)
        assert summary[f"final/{SPLIT}/readings"] == len(own.records)
    assert set(expected) == set(MEASURES)


def test_the_offline_curves_are_the_runs_own_history(tracked) -> None:
    run, offline, _ = tracked
    history = json.loads((run.path / "history.json").read_text(encoding="utf-8"))
    own = {(line["step"], key): line[key] for line in history for key in ("loss", "eval_loss") if key in line}
    names = {"loss": "train/loss", "eval_loss": "eval/loss"}
    theirs = {line["step"]: line for line in last_per_step(offline[run.id])}
    assert len(own) == 8
    for (step, key), value in own.items():
        assert theirs[step][names[key]] == pytest.approx(value, rel=1e-12)


def test_a_run_whose_directory_is_gone_is_read_from_wandb(tracked, tmp_path: Path) -> None:
    run, _, folder = tracked
    gone = gather(run.id, tmp_path, folder / "wandb")
    there = gather(str(run.path), tmp_path, tmp_path)
    assert (gone.source, there.source) == ("W&B's offline files", "directory")
    assert (gone.stage, there.stage) == ("sft", "sft")
    ours, theirs = there.evaluations[SPLIT], gone.evaluations[SPLIT]
    assert theirs.rubric == ours.rubric
    assert theirs.generation == ours.generation
    assert [record.reading for record in theirs.records] == [record.reading for record in ours.records]
    for one, other in zip(theirs.records, ours.records, strict=True):
        assert one.answers[0].text == other.answers[0].text
        assert one.answers[0].verdict == other.answers[0].verdict
    assert gone.manifest["recipe"] == there.manifest["recipe"]
    loss = {line["step"]: line["loss"] for line in gone.log if "loss" in line}
    assert loss == pytest.approx({line["step"]: line["loss"] for line in there.log if "loss" in line})
    assert any("eval_loss" in line for line in gone.log)


def test_what_is_read_from_wandb_compares_with_a_directory(tracked, tmp_path: Path) -> None:
    run, _, folder = tracked
    copy = tmp_path / "sft-20260101-000000-cccccc"
    shutil.copytree(run.path, copy)
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    manifest["recipe"] |= {"learning_rate": 1.0}
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    runs = [gather(str(copy), tmp_path, tmp_path), gather(run.id, tmp_path, folder / "wandb")]
    found = compare(pooled(runs), SPLIT)
    rates_of = found.rates["overall"]
    first, second = rates_of
    assert rates_of[first] == rates_of[second]
    assert found.tests["overall"][second].p_value == 1.0
    assert ("learning_rate", ["1", "0.0005"]) in found.settings
    assert any("was read from W&B's offline files" in remark for remark in found.remarks)
    assert found.costs[second].seconds is not None


def test_a_run_that_is_nowhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=f"no run sft-none: neither a directory, nor in {tmp_path}, nor among W&B"):
        gather("sft-none", tmp_path, tmp_path / "wandb")


def test_a_damaged_history_and_evaluation_are_told_by_name(sft_run: Run, tmp_path: Path) -> None:
    copy = tmp_path / sft_run.id
    shutil.copytree(sft_run.path, copy)
    (copy / "history.json").write_text("[", encoding="utf-8")
    with pytest.raises(RunError, match=r"history\.json is damaged"):
        gather(sft_run.id, tmp_path, tmp_path)
    (copy / "history.json").write_text("[]", encoding="utf-8")
    (copy / "eval" / "test.json").write_text("{}", encoding="utf-8")
    with pytest.raises(EvaluationError, match=r"test\.json"):
        gather(sft_run.id, tmp_path, tmp_path)
