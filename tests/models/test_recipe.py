"""Recipes and options: what is read, what is refused and how it is told, and that a run's recipe repeats it."""

import json
from pathlib import Path

import pytest

import dpo.train
import sft.train
from models.dtype import usual_dtype
from models.recipe import RecipeError, RecipeParser, read_recipe, recipe_text, resolved, with_resumed_recipe
from models.runs import RunError, create_run

RECIPES = sorted((Path(__file__).parents[2] / "launch" / "recipes").glob("*/*.yaml"))


def types_of(stage):
    return {"sft": sft.train.TYPES, "dpo": dpo.train.TYPES}[stage]


def parse(*arguments, stage="sft"):
    return RecipeParser(types_of(stage), "").parse(list(arguments))


@pytest.fixture
def recipe(tmp_path):
    """Writes a recipe file and returns the arguments that name it."""

    def write(text):
        path = tmp_path / "recipe.yaml"
        path.write_text(text, encoding="utf-8")
        return "--config", str(path)

    return write


@pytest.mark.parametrize("stage", ["sft", "dpo"])
def test_without_arguments_every_setting_is_the_default_of_its_field(stage):
    assert resolved(*parse(stage=stage)) == resolved(*(kind() for kind in types_of(stage)))


def test_defaults_follow_the_guide_where_it_speaks():
    config, model, lora, _ = parse()
    assert (lora.lora_r, config.num_train_epochs, config.average_tokens_across_devices) == (32, 5, True)
    assert (model.base_model, model.dtype, lora.lora_target_modules) == (
        "embedded:gemma-3-270m",
        usual_dtype(),
        ["all-linear"],
    )


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_recipe_of_the_project_parses_and_sets_what_it_says(path):
    settings = parse("--config", str(path), stage=path.stem)
    values = resolved(*settings)
    written = read_recipe(path)
    assert written
    assert {key: values[key] for key in written} == written


def test_recipes_of_both_stages_are_there_for_each_model():
    assert {path.parent.name for path in RECIPES} == {"tiny-random", "gemma-3-270m", "kormo-10b"}
    assert len(RECIPES) == 6


def test_values_of_every_kind(recipe):
    text = """
        learning_rate: 3e-4
        weight_decay: -1e-3
        seed: -1
        bf16: true
        eval_strategy: no
        load_best_model_at_end: false
        max_length: null
        base_revision: "0123"
        lora_target_modules: [q_proj, v_proj]
        train_file: --odd
        lr_scheduler_kwargs: {min_lr: 1e-5}
    """
    config, model, lora, _ = parse(*recipe(text.replace("\n        ", "\n")))
    assert config.learning_rate == 3e-4
    assert config.weight_decay == -1e-3
    assert config.seed == -1
    assert config.bf16 is True
    assert config.eval_strategy == "no"
    assert config.load_best_model_at_end is False
    assert config.max_length is None
    assert model.base_revision == "0123"
    assert lora.lora_target_modules == ["q_proj", "v_proj"]
    assert config.train_file == "--odd"
    assert config.lr_scheduler_kwargs == {"min_lr": 1e-5}


def test_a_null_takes_the_place_of_a_default(recipe):
    assert parse(stage="dpo")[0].eval_steps == 0.25
    assert parse(*recipe("save_total_limit: null"), stage="dpo")[0].save_total_limit is None


def test_the_command_line_goes_over_the_file(recipe):
    file = recipe("learning_rate: 3e-4\nmax_steps: 4\nlora_target_modules: [q_proj]\nbf16: true\nmax_length: null")
    options = ("--learning-rate", "1e-5", "--lora_target_modules", "k_proj", "v_proj", "--bf16=false")
    for arguments in ((*file, *options, "--max_length", "9"), ("--max_length=9", *options, *file)):
        config, _, lora, _ = parse(*arguments)
        assert (config.learning_rate, config.max_steps, config.bf16, config.max_length) == (1e-5, 4, False, 9)
        assert lora.lora_target_modules == ["k_proj", "v_proj"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lerning_rate: 1", "lerning_rate is unknown; did you mean learning_rate?"),
        ("learning-rate: 1", "learning-rate is unknown; did you mean learning_rate?"),
        ("bete: 0.3", "bete is unknown"),
        ("output_dir: x", "output_dir: ondo sets this itself"),
        ("hub_token: hf_x", "hub_token: would be kept in the run; set HF_TOKEN"),
        ("learning_rate: null", "learning_rate: null is not possible"),
        ("learning_rate: [1, 2]", "learning_rate: expected one value, got the list [1, 2]"),
        ("learning_rate: 1\nlearning_rate: 2", "key 'learning_rate' stands twice"),
        ("a: [", "is not YAML"),
        ("- a", "expected lines of 'key: value'"),
        ("? [a]\n: 1", "is not YAML"),
    ],
)
def test_a_wrong_file_is_told_with_file_and_key(text, told, recipe):
    file = recipe(text)
    with pytest.raises(RecipeError) as error:
        parse(*file)
    assert told in str(error.value)
    assert file[1] in str(error.value)
    assert "hf_x" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("learning_rate: abc", "learning_rate: invalid float value: 'abc'"),
        ("lora_r: 3.5", "lora_r: invalid int value: '3.5'"),
        ("bf16: maybe", "bf16: Truthy value expected: got maybe"),
        ("quantization: 5bit", "quantization: invalid choice: '5bit' (choose from 'none', '8bit', '4bit')"),
        ("packing: tree", "packing: invalid choice: 'tree' (choose from 'trie', 'none')"),
        ("on_invalid: skip", "on_invalid: invalid choice: 'skip'"),
        ("eval_strategy: sometimes", "eval_strategy: invalid choice: 'sometimes'"),
        ("lora_target_modules: []", "lora_target_modules: expected at least one argument"),
    ],
)
def test_a_wrong_value_is_told_with_file_and_key_and_exit_code_2(text, told, recipe, capsys):
    file = recipe(text)
    with pytest.raises(SystemExit) as left:
        parse(*file)
    printed = capsys.readouterr().err
    assert left.value.code == 2
    assert f"{file[1]}: {told}" in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--lerning_rate", "1"], "--lerning_rate is unknown; did you mean learning_rate?"),
        (["--learn", "1"], "--learn is unknown"),
        (["--output-dir=x"], "--output_dir: ondo sets this itself"),
        (["--run_name", "x"], "--run_name: ondo sets this itself"),
        (["--hub-token", "hf_secret"], "--hub_token: would be kept in the run; set HF_TOKEN"),
        (["--config"], "--config needs a file"),
    ],
)
def test_a_wrong_option_is_told(arguments, told):
    with pytest.raises(RecipeError) as error:
        parse(*arguments)
    assert str(error.value).startswith(told)
    assert "hf_secret" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--lora_r", "a"], "--lora_r: invalid int value: 'a'"), (["stray"], "unexpected stray")],
)
def test_a_wrong_value_on_the_command_line_ends_with_exit_code_2(arguments, told, capsys):
    with pytest.raises(SystemExit) as left:
        parse(*arguments)
    assert left.value.code == 2
    assert told in capsys.readouterr().err


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(RecipeError, match=r"recipe .*none\.yaml cannot be read"):
        parse("--config", str(tmp_path / "none.yaml"))


@pytest.mark.parametrize(
    ("text", "stage", "key"),
    [
        ("eval_strategy: no", "sft", "eval_strategy"),
        ("lora_r: 0", "sft", "lora_r"),
        ("lora_dropout: 1.5", "sft", "lora_dropout"),
        ("precompute_ref_log_probs: false", "dpo", "precompute_ref_log_probs"),
        ("sync_ref_model: true", "dpo", "sync_ref_model"),
        ("per_example: -1", "dpo", "per_example"),
        ("pairs: x.jsonl\nfaults: [delta_sum]", "dpo", "faults"),
    ],
)
def test_settings_that_do_not_go_together_name_the_key(text, stage, key, recipe):
    with pytest.raises(ValueError, match=key):
        parse(*recipe(text), stage=stage)


@pytest.mark.parametrize(
    ("stage", "text"),
    [
        (
            "sft",
            "base_model: tiny-random\nlearning_rate: 3e-4\nmax_length: 300\nlora_target_modules: [q_proj, v_proj]\n"
            "eval_strategy: no\nload_best_model_at_end: false\nlr_scheduler_type: cosine_with_min_lr\n"
            "lr_scheduler_kwargs: {min_lr: 1e-5}\naccelerator_config: {split_batches: true}\nbf16: null\n"
            "train_file: 공원.jsonl\n",
        ),
        (
            "dpo",
            "loss_type: [apo_zero]\nloss_weights: [0.5]\nfaults: [delta_sum, quotes]\neval_steps: null\n"
            "eval_strategy: epoch\nsave_strategy: epoch\nsft: runs/sft-1\nld_alpha: 0.5\n",
        ),
        ("sft", ""),
        ("dpo", ""),
    ],
)
def test_a_runs_recipe_repeats_it(stage, text, recipe):
    settings = parse(*recipe(text), stage=stage)
    plain = [kind() for kind in types_of(stage)]
    written = recipe_text(settings, plain)
    again = parse(*recipe(written), stage=stage)
    assert resolved(*again) == resolved(*settings)
    assert recipe_text(again, plain) == written


def test_what_belongs_to_a_run_or_is_secret_is_not_recorded(monkeypatch):
    config, *rest = parse("--runs_dir", "elsewhere", "--tracking", "offline", "--dry_run", "true")
    config.hub_token = "hf_secret"
    values = resolved(config, *rest)
    assert "hf_secret" not in json.dumps(values)
    assert "hf_secret" not in recipe_text([config, *rest], [kind() for kind in sft.train.TYPES])
    assert not {"hub_token", "runs_dir", "tracking", "dry_run", "resume", "output_dir"} & values.keys()


def test_resuming_takes_the_runs_own_recipe_unless_another_is_given(tmp_path):
    run = create_run("sft", {}, runs_dir=tmp_path)
    there, path = ["--config", str(run.path / "recipe.yaml")], str(run.path)
    assert with_resumed_recipe(["--resume", path]) == [*there, "--resume", path]
    assert with_resumed_recipe([f"--resume={path}"]) == [*there, f"--resume={path}"]
    assert with_resumed_recipe(["--config=b", "--resume", path]) == ["--config=b", "--resume", path]
    assert with_resumed_recipe(["--max_steps", "3"]) == ["--max_steps", "3"]
    with pytest.raises(RunError, match="no run in runs/none"):
        with_resumed_recipe(["--resume", "runs/none"])


# The guide's advice: memory, speed, overfitting, capacity, quantisation.
GUIDE = (
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "num_train_epochs",
    "learning_rate",
    "weight_decay",
    "lora_r",
    "quantization",
)


def test_help_lists_the_guides_knobs_with_their_defaults_and_little_else():
    text = RecipeParser(sft.train.TYPES, "Stage 1.").format_help()
    listed = [line.split()[0] for line in text.splitlines() if line.startswith("  --")]
    assert {f"--{key}" for key in GUIDE} <= set(listed)
    assert {"--train_file", "--on_invalid", "--base_model", "--resume", "--packing"} <= set(listed)
    assert len(listed) == len(set(listed)) <= 45
    assert not {"--output_dir", "--hub_token", "--adam_beta1", "--no_generate_validation"} & set(listed)
    assert f"(default: {sft.train.SftConfig().learning_rate})" in text
    assert text.startswith("usage: ")
    assert "--config RECIPE" in text
    assert len(text.splitlines()) < 130


@pytest.mark.parametrize("stage", ["sft", "dpo"])
def test_every_listed_option_says_what_it_does(stage):
    parser = RecipeParser(types_of(stage), "")
    silent = [action.dest for action in parser._actions if not action.help]
    assert silent == []
