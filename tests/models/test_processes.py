"""One process or several: values and errors of the first reach all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models import processes
from models.processes import broadcast, is_main, take_cores, wait_for_all

ROOT = Path(__file__).resolve().parents[2]

_PROGRAM = """
import os
import torch.distributed as dist
from models.processes import broadcast, is_main, wait_for_all
from models.runs import RunError

dist.init_process_group("gloo")
rank = dist.get_rank()
assert is_main() is (rank == 0)
made = []
assert broadcast(lambda: made.append(rank) or "from 0") == "from 0"
assert made == ([0] if rank == 0 else [])
def fail():
    raise RunError("no run in x")
try:
    broadcast(fail)
except RunError as error:
    assert str(error) == "no run in x"
else:
    raise AssertionError("the error did not come through")
wait_for_all()
dist.destroy_process_group()
open(f"done-{rank}", "w").close()
"""


def test_one_process_is_the_main_one_and_keeps_its_own_values_and_errors():
    assert is_main()
    assert broadcast(lambda: 7) == 7
    wait_for_all()
    with pytest.raises(ZeroDivisionError):
        broadcast(lambda: 1 // 0)


def test_two_processes_get_the_value_and_the_error_of_the_first(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM)
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(program)],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert {path.name for path in tmp_path.glob("done-*")} == {"done-0", "done-1"}


@pytest.fixture
def threads(monkeypatch):
    """The thread count torch was told, on a machine of three cores without a GPU."""
    told = [1]
    monkeypatch.setattr(torch, "set_num_threads", told.append)
    monkeypatch.setattr(torch, "get_num_threads", lambda: told[-1])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(processes, "_cores", lambda: 3)
    for name in ("ACCELERATE_MIXED_PRECISION", "OMP_NUM_THREADS", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    return told


LAUNCHED = {"ACCELERATE_MIXED_PRECISION": "no", "OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize(
    ("environment", "given", "taken"),
    [
        (LAUNCHED, None, 3),
        (LAUNCHED, 1, 1),
        ({**LAUNCHED, "WORLD_SIZE": "2"}, None, 1),
        ({**LAUNCHED, "OMP_NUM_THREADS": "2"}, None, 1),
        ({"OMP_NUM_THREADS": "1"}, None, 1),
        ({}, 2, 2),
    ],
)
def test_a_process_that_accelerate_started_alone_takes_every_core(environment, given, taken, threads, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert take_cores(given) == taken == threads[-1]


def test_with_a_gpu_the_threads_stay(threads, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for name, value in LAUNCHED.items():
        monkeypatch.setenv(name, value)
    assert take_cores() == 1


def test_no_thread_is_an_error(threads):
    with pytest.raises(ValueError, match="threads must be at least 1"):
        take_cores(0)
