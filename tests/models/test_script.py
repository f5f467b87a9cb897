"""What every script does around its work: what a user can mend is one message and exit code 2; Ctrl-C is 130."""

import pytest
from safetensors import SafetensorError

from models.script import run_script


def failing(error):
    def work():
        raise error

    return work


def test_the_works_own_exit_code_is_returned():
    assert run_script("sft", lambda: 0) == 0
    assert run_script("judge", lambda: 3) == 3


@pytest.mark.parametrize(
    "error", [ValueError("lora_r: 0"), OSError(28, "No space left on device"), SafetensorError("No space left")]
)
def test_what_can_be_mended_is_told_with_its_notes(error, capsys):
    error.add_note("the run is unfinished; go on with: launch/sft.py --resume x")
    assert run_script("sft", failing(error)) == 2
    assert (
        capsys.readouterr().err == f"sft: {error}\nsft: the run is unfinished; go on with: launch/sft.py --resume x\n"
    )


def test_ctrl_c_is_told(capsys):
    assert run_script("dpo", failing(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "dpo: interrupted\n"


def test_a_fault_of_ours_is_raised_as_it_is():
    with pytest.raises(KeyError):
        run_script("sft", failing(KeyError("x")))


def test_debugging_shows_the_traceback_too(capsys, monkeypatch):
    monkeypatch.setenv("ONDO_DEBUG", "1")
    assert run_script("sft", failing(ValueError("x"))) == 2
    assert "Traceback" in capsys.readouterr().err
