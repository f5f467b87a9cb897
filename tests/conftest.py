"""What several folders of tests share: no W&B, and one small SFT run."""

import json

import pytest


@pytest.fixture(scope="session", autouse=True)
def _untracked(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "disabled")
        patch.setenv("WANDB_DIR", str(tmp_path_factory.mktemp("wandb")))
        yield


@pytest.fixture(scope="session")
def chat_files(tmp_path_factory):
    """Chat files of 20 training and 3 validation examples."""
    from data.examples import TRAIN_FILE, VALIDATION_FILE

    folder = tmp_path_factory.mktemp("chats")
    files = []
    for source, count in ((TRAIN_FILE, 20), (VALIDATION_FILE, 3)):
        lines = source.read_text(encoding="utf-8").splitlines()
        step = len(lines) // count
        files.append(folder / source.name)
        files[-1].write_text("".join(line + "\n" for line in lines[::step][:count]), encoding="utf-8")
        assert all(json.loads(line)["messages"] for line in lines)
    return tuple(files)


@pytest.fixture(scope="session")
def sft_run(chat_files, tmp_path_factory):
    """A finished SFT run on ``tiny-random``: six steps, evaluated and saved after the third and the sixth."""
    from sft.train import run_sft
    from tests.stage_cases import sft_settings

    return run_sft(sft_settings(chat_files, tmp_path_factory.mktemp("runs")))
