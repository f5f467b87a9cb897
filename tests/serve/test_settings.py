from pathlib import Path

import pytest

from serve.settings import Settings, SettingsError, key_of, read_settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    """No key of ours in the environment, and none that a test puts there stays."""
    import os

    monkeypatch.setattr(os, "environ", {k: v for k, v in os.environ.items() if not k.startswith("ONDO_")})
    for name in Settings.model_fields:
        os.environ.pop(key_of(name), None)


@pytest.fixture
def env(tmp_path):
    def write(*lines):
        path = tmp_path / ".env"
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        return path

    return write


def test_without_any_setting_it_listens_to_this_machine_alone(tmp_path):
    settings = read_settings(tmp_path / "none")
    assert (settings.host, settings.port, settings.engine) == ("127.0.0.1", 8000, "local")
    assert settings.use_finetuned
    assert settings.adapter_path is None
    assert settings.api_key is None
    assert settings.journal_file == Path("runs/journal.jsonl")


def test_the_guides_env_file(env):
    settings = read_settings(
        env(
            "# 파인튜닝 모델 사용",
            "USE_FINETUNED=true",
            "ADAPTER_PATH=./finetuned_model_chat_large",
            "USE_CHAT_FORMAT=true",
            "QUANTIZATION=4bit",
        )
    )
    assert settings.use_finetuned
    assert settings.adapter_path == Path("finetuned_model_chat_large")
    assert settings.use_chat_format
    assert settings.quantization == "4bit"


def test_the_environment_goes_over_the_file(env, monkeypatch):
    monkeypatch.setenv("ONDO_PORT", "9000")
    assert read_settings(env("ONDO_PORT=9001", "ONDO_RETRIES=3", "ONDO_RUNS=/somewhere")).port == 9000


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("QUANTIZATION=2bit", "QUANTIZATION: .*'4bit'"),
        ("ONDO_PORT=80000", "ONDO_PORT: .*65535, got '80000'"),
        ("ONDO_RETRIES=many", "ONDO_RETRIES: .*integer"),
        ("ONDO_TIME_LIMIT_S=0", "ONDO_TIME_LIMIT_S"),
        ("ONDO_API_KEY=' '", "ONDO_API_KEY: is blank"),
        ("ONDO_PROT=8001", "unknown: ONDO_PROT; known are .*ONDO_PORT"),
        ("ONDO_ENGINE=openai", "needs ONDO_OPENAI_MODEL"),
        ("USE_FINETUNED=false\nADAPTER_PATH=x", "ADAPTER_PATH is set but USE_FINETUNED=false"),
        ("ONDO_ENGINE=openai\nONDO_OPENAI_MODEL=m\nUSE_CHAT_FORMAT=false", "USE_CHAT_FORMAT=false"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(env, line, said):
    with pytest.raises(SettingsError, match=said):
        read_settings(env(line))


def test_a_key_is_never_shown(env):
    settings = read_settings(env("ONDO_API_KEY=geheim", "ONDO_OPENAI_API_KEY=secret"))
    assert "geheim" not in repr(settings)
    assert "secret" not in repr(settings)


def test_an_empty_value_is_none(env):
    assert read_settings(env("ADAPTER_PATH=", "ONDO_API_KEY=")).adapter_path is None


def test_the_example_file_names_every_setting_with_its_default():
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    shown = dict(line.removeprefix("# ").split("=", 1) for line in lines if line.startswith("# ") and "=" in line[:40])
    for name, field in Settings.model_fields.items():
        assert key_of(name) in shown, f"{key_of(name)} is missing from .env.example"
        default = "" if field.default is None else str(field.default)
        given = shown[key_of(name)]
        assert given == (default.lower() if isinstance(field.default, bool) else default), key_of(name)
