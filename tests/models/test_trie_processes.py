"""Two processes (gloo, CPU) give the same loss curve as one with the same global batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.models.test_trie_trainer import assert_logs_equal
from tests.models.trie_process import curve

ROOT = Path(__file__).resolve().parents[2]


def test_two_processes_give_the_curve_of_one(tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    started = subprocess.run(
        [*command, "-m", "tests.models.trie_process", str(tmp_path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert started.returncode == 0, started.stderr[-3000:]
    curves = json.loads((tmp_path / "curves.json").read_text())
    for stage, several in curves.items():
        one = curve(stage, tmp_path / "one", 1)
        assert_logs_equal(several, one)
        assert len({entry["loss"] for entry in one}) == len(one)
