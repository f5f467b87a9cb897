"""W&B's offline files read back: what was logged, put together over a resumption, and what is damaged is told."""

import math
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from models.wandb_files import OfflineRun, WandbFileError, find_offline, last_per_step, records

LOGS = """
import sys, wandb
first, settings = int(sys.argv[2]), wandb.Settings(console="off", silent=True)
run = wandb.init(mode="offline", dir=sys.argv[1], project="p", id="dpo-1", name="dpo-1", group="g", job_type="dpo",
                 tags=["a", "b"], resume="allow", config={"ondo": {"seed": 0, "from": first}}, settings=settings)
for step in range(first, first + 3):
    run.log({"train/global_step": step, "train/loss": step + 0.5 * first, "train/odd": float("nan")})
run.summary["final/eval/test/overall/pass_rate"] = 0.25 * first
run.log({"late": "no step"})
run.finish(exit_code=0 if first else 1)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One W&B run in two files: steps 0 to 2, then, resumed from step 2, steps 2 to 4."""
    folder = tmp_path_factory.mktemp("offline")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WANDB")}
    for first in (0, 2):
        done = subprocess.run(
            [sys.executable, "-c", LOGS, str(folder), str(first)],
            capture_output=True,
            text=True,
            check=False,
            env=environment | {"WANDB_ERROR_REPORTING": "false"},
        )
        assert done.returncode == 0, done.stderr
    return folder


def test_a_run_in_two_files_is_one_run(folder: Path) -> None:
    (run,) = find_offline(folder).values()
    assert (run.id, run.name, run.project, run.group, run.job_type) == ("dpo-1", "dpo-1", "p", "g", "dpo")
    assert (run.tags, run.finished, len(run.folders)) == (("a", "b"), True, 2)
    assert run.config["ondo"] == {"seed": 0, "from": 2}
    assert run.summary["final/eval/test/overall/pass_rate"] == 0.5
    assert len(run.history) == 8


def test_of_a_step_logged_twice_the_later_value_counts(folder: Path) -> None:
    lines = last_per_step(find_offline(folder)["dpo-1"])
    assert [(line["step"], line["train/loss"]) for line in lines] == [(0, 0), (1, 1), (2, 3), (3, 4), (4, 5)]
    assert all(math.isnan(line["train/odd"]) for line in lines)
    assert not any("late" in line for line in lines)


def test_only_the_run_that_is_asked_for(folder: Path) -> None:
    assert find_offline(folder, "sft-1") == {}
    assert list(find_offline(folder, "dpo-1")) == ["dpo-1"]


def test_what_was_written_before_a_kill_is_read(folder: Path, tmp_path: Path) -> None:
    whole = next(folder.rglob("run-dpo-1.wandb")).read_bytes()
    file = tmp_path / "run-dpo-1.wandb"
    counts = []
    for length in range(7, len(whole)):
        file.write_bytes(whole[:length])
        counts.append(len(list(records(file))))
    assert counts[0] == 0
    assert counts == sorted(counts)
    assert counts[-1] == len(list(records(next(folder.rglob("run-dpo-1.wandb"))))) - 1
    file.write_bytes(whole[:-1])
    assert find_offline(tmp_path)["dpo-1"].finished is None


def test_a_record_over_several_blocks_and_padding(tmp_path: Path) -> None:
    """A record of two and a half blocks, and one that would leave too little of a block for another head."""
    from wandb.proto.wandb_internal_pb2 import Record

    def piece(kind: int, data: bytes) -> bytes:
        return struct.pack("<IHB", zlib.crc32(bytes([kind]) + data), len(data), kind) + data

    long = Record()
    long.run.run_id, long.run.notes = "x", "n" * 80_000
    data, block = long.SerializeToString(), 32 * 1024
    first, second = block - 7 - 7, block - 7
    content = b":W&B" + struct.pack("<HB", 0xBEE1, 0)
    content += piece(2, data[:first]) + piece(3, data[first : first + second]) + piece(4, data[first + second :])
    filler = Record()
    filler.run.run_id = "y"
    while (len(content) + 7 + filler.ByteSize()) % block != block - 3:
        filler.run.notes += "n"
    content += piece(1, filler.SerializeToString()) + bytes(3)
    assert len(content) % block == 0
    last = Record()
    last.exit.exit_code = 0
    content += piece(1, last.SerializeToString())
    (tmp_path / "run-x.wandb").write_bytes(content)
    found = list(records(tmp_path / "run-x.wandb"))
    assert [record.WhichOneof("record_type") for record in found] == ["run", "run", "exit"]
    assert len(found[0].run.notes) == 80_000


def test_a_damaged_file_is_told_by_name(folder: Path, tmp_path: Path) -> None:
    whole = bytearray(next(folder.rglob("run-dpo-1.wandb")).read_bytes())
    file = tmp_path / "run-dpo-1.wandb"
    whole[30] ^= 1
    file.write_bytes(whole)
    with pytest.raises(WandbFileError, match=r"run-dpo-1\.wandb is damaged at byte 7: a checksum does not fit"):
        find_offline(tmp_path)
    file.write_bytes(b"{}")
    with pytest.raises(WandbFileError, match="no offline file of W&B"):
        find_offline(tmp_path)
    with pytest.raises(WandbFileError, match="cannot be read"):
        list(records(tmp_path / "none.wandb"))


def test_without_a_step_there_is_no_curve() -> None:
    assert last_per_step(OfflineRun("x", history=[{"a": 1}])) == []
