"""Write the notices of a split with a run's model or a base model, judge them, and count.

    python launch/evaluate.py --run runs/sft-20260131-120000-1a2b3c --split test
    python launch/evaluate.py --model embedded:gemma-3-270m --split test-mini --limit 20
    python launch/evaluate.py --run runs/dpo-20260131-130000-4d5e6f --against runs/sft-20260131-120000-1a2b3c
    python launch/evaluate.py --run runs/dpo-20260131-130000-4d5e6f --split validation --samples 8 --temperature 0.7

Greedy without --samples and --temperature. The result lies in `<run>/eval/`: `<split>.json` (every notice with its
verdict), `<split>.md` (tables and failures) and pictures; sampled ones are called `<split>-sampled`. A base model gets
a run directory of its own. --limit takes the first readings in the split's fixed order, and the result says so.
--against adds the exact McNemar test against another run's evaluation of the same readings. What the numbers mean:
docs/evaluation.md. Exit codes: 0 done, 2 something to mend, 130 interrupted.
"""

import _root  # noqa: F401  (must stand first: it puts the repository root on sys.path)

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from data.files import write_atomic
from eval.card import write_card
from eval.evaluate import EVALUATED, base_run, evaluate, plan
from eval.markdown import markdown, rate_headings, rate_rows
from eval.paired import PairedTest, check_comparable, name, paired_tests
from eval.plots import heat_map, rule_bars
from eval.record import Evaluation, EvaluationError, Generation, file_name, load_evaluation, save_evaluation
from eval.summary import Summary, summarize
from eval.track import track_evaluation
from models.adapter import load_adapter
from models.arguments import TrackingMode
from models.dtype import DtypeName
from models.load import ModelSpec, load_base, placed, run_spec
from models.quantize import Quantization
from models.runs import open_run
from models.script import run_script
from models.tracking.mode import check_mode
from rewards.rubric import DEFAULT_RUBRIC, Rubric


def main() -> int:
    options = _parser().parse_args()
    check_mode(os.environ)
    generation = _generation(options)
    rubric = Rubric(options.min_chars, options.max_chars, options.max_sentences)
    run = None if options.run is None else open_run(options.run)
    against = None if options.against is None else _other(options, generation)
    if run is not None:
        spec = run_spec(run, options.trust_remote_code)
    else:
        spec = ModelSpec(
            options.model, options.revision, options.trust_remote_code, options.quantization, options.dtype
        )
    loaded = load_base(spec)
    model = placed(loaded, loaded.model if run is None or run.stage == "base" else load_adapter(loaded, run.adapter))
    planned = plan(loaded, options.split, run=run, limit=options.limit, generation=generation, rubric=rubric)
    if against is not None:
        check_comparable(against, planned)
    if run is None:
        run = base_run(loaded, options.runs_dir)
        planned = replace(planned, run=run.id)
    else:
        _keep_fuller(planned, run.eval)
    with _progress(f"{planned.stage} on {planned.split}") as told:
        evaluation = evaluate(model, loaded.tokenizer, planned, told)
    path = save_evaluation(evaluation, run.eval)
    summary = summarize(evaluation)
    tests = None if against is None else paired_tests(against, evaluation)
    pictures = _draw(evaluation, against, path)
    names = [picture.name for picture in pictures.values()]
    text = markdown(evaluation, summary, against=against, tests=tests, pictures=names)
    write_atomic(path.with_suffix(".md"), text)
    if run.stage != "base":
        write_card(run)
    track_evaluation(evaluation, run, path, pictures, wanted=options.tracking)
    _print(evaluation, summary, against, tests)
    print(path.with_suffix(".md"))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--run", type=Path, metavar="RUN", help="directory of a finished run")
    which.add_argument("--model", metavar="NAME", help="embedded:gemma-3-270m, tiny-random, a folder or a model hub id")
    parser.add_argument("--split", choices=EVALUATED, default="test-mini", help="default: %(default)s")
    parser.add_argument("--limit", type=int, metavar="N", help="take the first N readings")
    parser.add_argument("--samples", type=int, metavar="K", help="sample K notices a reading")
    parser.add_argument("--temperature", type=float, help="of sampling (default: 1 with --samples, else 0, greedy)")
    parser.add_argument("--seed", type=int, default=Generation.seed, help="of sampling")
    parser.add_argument(
        "--batch_size",
        type=int,
        default=Generation.batch_size,
        help="notices decoded at once; 1 measures a single request",
    )
    parser.add_argument("--max_new_tokens", type=int, default=Generation.max_new_tokens, help="default: %(default)s")
    parser.add_argument(
        "--tracking", choices=get_args(TrackingMode), default="auto", help="W&B, as in a recipe (default: %(default)s)"
    )
    parser.add_argument("--against", type=Path, metavar="RUN", help="add a paired test against this run's evaluation")
    parser.add_argument(
        "--runs_dir", type=Path, default=Path(os.environ.get("ONDO_RUNS") or "runs"), help="where --model puts its run"
    )
    for limit in ("min_chars", "max_chars", "max_sentences"):
        parser.add_argument(f"--{limit}", type=int, default=getattr(DEFAULT_RUBRIC, limit), help="default: %(default)s")
    parser.add_argument("--revision", help="with --model: commit, tag or branch of a hub model")
    parser.add_argument("--quantization", choices=get_args(Quantization), default="none", help="with --model")
    parser.add_argument("--dtype", choices=get_args(DtypeName), default=ModelSpec.dtype, help="with --model")
    parser.add_argument("--trust_remote_code", action="store_true", help="run code that comes with a hub model")
    return parser


def _generation(options: argparse.Namespace) -> Generation:
    temperature = options.temperature
    if temperature is None:
        temperature = 0.0 if options.samples is None else 1.0
    return Generation(
        samples=1 if options.samples is None else options.samples,
        temperature=temperature,
        max_new_tokens=options.max_new_tokens,
        batch_size=options.batch_size,
        seed=options.seed,
    )


def _other(options: argparse.Namespace, generation: Generation) -> Evaluation:
    run = open_run(options.against)
    path = run.eval / file_name(options.split, sampled=not generation.greedy)
    if not path.is_file():
        raise EvaluationError(
            f"run {options.against} has no {path.name} to compare against: "
            f"python launch/evaluate.py --run {options.against} --split {options.split}"
        )
    return load_evaluation(path)


def _keep_fuller(planned: Evaluation, folder: Path) -> None:
    """Refuse to write the first readings over an evaluation that holds more of them."""
    path = folder / planned.file_name
    if not planned.limited or not path.is_file():
        return
    standing = load_evaluation(path)
    if len(standing.records) > len(planned.records):
        raise EvaluationError(
            f"{path} holds {len(standing.records)} readings and --limit asks for {len(planned.records)}: "
            "delete it first, or leave --limit out"
        )


def _draw(evaluation: Evaluation, against: Evaluation | None, path: Path) -> dict[str, Path]:
    pictures = {kind: path.with_name(f"{path.stem}-{kind}.png") for kind in ("map", "rules")}
    heat_map(evaluation, pictures["map"])
    both = ({} if against is None else {name(against): against}) | {name(evaluation): evaluation}
    rule_bars(both, pictures["rules"])
    return pictures


@contextmanager
def _progress(title: str) -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print(
    evaluation: Evaluation, summary: Summary, against: Evaluation | None, tests: Mapping[str, PairedTest] | None
) -> None:
    print(f"{name(evaluation)} on {evaluation.split}, {len(evaluation.records)} of {evaluation.split_size} readings")
    if against is not None:
        print(f"against {name(against)}: cells gained and lost, p of the exact McNemar test")
    table = Table()
    for column, heading in enumerate(rate_headings(tests)):
        table.add_column(heading, justify="left" if column == 0 else "right")
    for row in rate_rows(summary.rates, tests):
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    sys.exit(run_script("evaluate", main))
