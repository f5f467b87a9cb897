"""What a resumed part holds again is taken out of the part before, record for record, in W&B's own format."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from wandb.proto.wandb_internal_pb2 import Record

from models.tracking.trim import log_bytes, trim
from models.wandb_files import STEP, find_offline, last_per_step, records


def line(step: int | None, **values: float) -> Record:
    record = Record()
    for key, value in {**({} if step is None else {STEP: step}), **values}.items():
        record.history.item.add(nested_key=[key], value_json=json.dumps(value))
    return record


def begin(seconds: int) -> Record:
    record = Record()
    record.run.run_id = "sft-1"
    record.run.start_time.seconds = seconds
    return record


def close() -> Record:
    record = Record()
    record.exit.exit_code = 0
    return record


def write(path: Path, found: list[Record]) -> Path:
    path.parent.mkdir()
    path.write_bytes(log_bytes(record.SerializeToString() for record in found))
    return path


@given(st.lists(st.integers(0, 100_000), max_size=6))
def test_what_is_written_can_be_read_across_blocks(tmp_path_factory, lengths: list[int]) -> None:
    path = tmp_path_factory.mktemp("log") / "run-x.wandb"
    made = []
    for length in lengths:
        record = Record()
        record.history.item.add(key="a", value_json=json.dumps("x" * length))
        made.append(record)
    path.write_bytes(log_bytes(record.SerializeToString() for record in made))
    assert list(records(path)) == made


def test_one_curve_is_left_and_the_whole_file_is_kept(tmp_path: Path) -> None:
    killed = [begin(1), line(1, loss=1.0), line(2, loss=0.9), line(3, loss=0.8), line(None, other=1.0)]
    first = write(tmp_path / "a" / "run-sft-1.wandb", killed)
    second = write(tmp_path / "b" / "run-sft-1.wandb", [begin(2), line(3, loss=0.7), line(4, loss=0.6), close()])
    third = write(
        tmp_path / "c" / "run-sft-1.wandb", [begin(3), close()]
    )  # figures of an evaluation: no line of history
    before = last_per_step(find_offline(tmp_path)["sft-1"])
    assert trim([first, second, third]) == 1
    after = find_offline(tmp_path)["sft-1"]
    assert [(h.get(STEP), h.get("loss")) for h in after.history] == [
        (1, 1.0), (2, 0.9), (None, None), (3, 0.7), (4, 0.6)
    ]  # fmt: skip
    assert last_per_step(after) == before
    assert list(records(first.with_name("run-sft-1.wandb.whole"))) == killed
    assert not second.with_name("run-sft-1.wandb.whole").exists()
    assert trim([first, second, third]) == 0


def test_a_part_that_breaks_off_is_written_anew_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write(tmp_path / "a" / "run-sft-1.wandb", [begin(1), line(1, loss=1.0), line(2, loss=0.9)])
    broken = path.read_bytes()[:-5]
    path.write_bytes(broken)
    assert trim([path]) == 0
    assert path.read_bytes() == log_bytes(r.SerializeToString() for r in (begin(1), line(1, loss=1.0)))
    assert path.with_name("run-sft-1.wandb.whole").read_bytes() == broken
