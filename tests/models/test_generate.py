"""Notices against ``transformers.generate``, one prompt at a time, unpadded, in float32: equal token for token."""

import copy
import time
import types

import pytest
import torch
from peft import get_peft_model

from data.reading import Reading
from data.splits import cells
from models import generate
from models.generate import generate_notices
from models.load import ModelSpec, load_base
from models.lora import LoraArguments
from models.template import prompt_ids
from models.tiny import tiny_model, tiny_tokenizer
from models.trie import install

READINGS = list(cells("validation"))
LENGTH = 16


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


@pytest.fixture
def model(tokenizer):
    return tiny_model(len(tokenizer))


def spread(model, scale=4.0):
    """Sharper logits and an attention that matters, so that a wrong key changes the answer."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2 and parameter.shape != model.lm_head.weight.shape:
                parameter += scale * 0.05 * torch.randn(parameter.shape, generator=generator)
    return model


def often_stopping(model):
    """Further stop tokens, words that come early in one answer, late or never in another."""
    spread(model).generation_config.eos_token_id = [602, 34]
    return model


def with_adapter(model, seed=3):
    model = get_peft_model(model, LoraArguments(lora_r=4, lora_alpha=8).peft_config())
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return model.eval()


def stock(model, tokenizer, reading, length=LENGTH):
    ids = torch.tensor([prompt_ids(tokenizer, reading)])
    stops = generate.stop_ids(model, tokenizer)
    output = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=length,
        do_sample=False,
        eos_token_id=stops,
        pad_token_id=0,
    )
    tokens = output[0, ids.shape[1] :].tolist()
    finished = tokens[-1] in stops
    return tokenizer.decode(tokens[:-1] if finished else tokens, skip_special_tokens=True), len(tokens), finished


def seen(answers):
    return [[(answer.text, answer.tokens, answer.finished) for answer in group] for group in answers]


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_greedy_equals_transformers(model, tokenizer, batch_size):
    often_stopping(model)
    expected = [[stock(model, tokenizer, reading)] for reading in READINGS]
    lengths = {tokens for [(_, tokens, _)] in expected}
    assert len(lengths) > 3, "rows must leave at different steps for this test to mean something"
    assert len({text for [(text, _, _)] in expected}) > 10
    written = generate_notices(model, tokenizer, READINGS, max_new_tokens=LENGTH, batch_size=batch_size)
    assert seen(written) == expected


@pytest.mark.parametrize("window", [5, 70, 75, 80])
def test_greedy_with_a_sliding_window_shorter_than_the_prompt_or_the_answer(tokenizer, window):
    model = spread(tiny_model(len(tokenizer)))
    model.config.sliding_window = window
    for layer in model.model.layers:
        if layer.self_attn.sliding_window is not None:
            layer.self_attn.sliding_window = window
    assert window < len(prompt_ids(tokenizer, READINGS[0])) + LENGTH
    expected = [[stock(model, tokenizer, reading)] for reading in READINGS]
    assert seen(generate_notices(model, tokenizer, READINGS, max_new_tokens=LENGTH, batch_size=9)) == expected


def test_the_window_changes_the_answers(tokenizer):
    """Otherwise the test above would pass without any window."""
    wide, narrow = spread(tiny_model(len(tokenizer))), spread(tiny_model(len(tokenizer)))
    narrow.config.sliding_window = 5
    for layer in narrow.model.layers:
        layer.self_attn.sliding_window = 5 if layer.self_attn.sliding_window is not None else None
    assert seen(generate_notices(wide, tokenizer, READINGS[:5], max_new_tokens=LENGTH)) != seen(
        generate_notices(narrow, tokenizer, READINGS[:5], max_new_tokens=LENGTH)
    )


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3"])
def test_greedy_of_other_architectures(tokenizer, family):
    from transformers import (
        Gemma3ForCausalLM,
        Gemma3TextConfig,
        LlamaConfig,
        LlamaForCausalLM,
        Qwen3Config,
        Qwen3ForCausalLM,
    )

    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "eos_token_id": 5,
        "pad_token_id": 0,
        "initializer_range": 0.3,
    }
    torch.manual_seed(0)
    model = {
        "llama": lambda: LlamaForCausalLM(LlamaConfig(**shape)),
        "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**shape)),
        "gemma3": lambda: Gemma3ForCausalLM(Gemma3TextConfig(**shape, final_logit_softcapping=5.0, sliding_window=9)),
    }[family]().eval()
    expected = [[stock(model, tokenizer, reading)] for reading in READINGS]
    assert seen(generate_notices(model, tokenizer, READINGS, max_new_tokens=LENGTH, batch_size=9)) == expected


def test_greedy_with_an_adapter_equals_the_unmerged_model(model, tokenizer):
    plain = seen(generate_notices(spread(model), tokenizer, READINGS, max_new_tokens=LENGTH))
    model = with_adapter(model)
    expected = [[stock(model, tokenizer, reading)] for reading in READINGS]
    assert expected != plain
    assert seen(generate_notices(model, tokenizer, READINGS, max_new_tokens=LENGTH)) == expected


def test_more_readings_than_one_portion(model, tokenizer, monkeypatch):
    expected = seen(generate_notices(spread(model), tokenizer, READINGS, max_new_tokens=LENGTH))
    monkeypatch.setattr("models.decode.loop.PORTION", 6)
    assert seen(generate_notices(model, tokenizer, READINGS, max_new_tokens=LENGTH, batch_size=4)) == expected


def test_slots_that_grow(model, tokenizer, monkeypatch):
    expected = seen(generate_notices(spread(model), tokenizer, READINGS, max_new_tokens=LENGTH))
    monkeypatch.setattr("models.decode.attention.GROWTH", 1)
    assert seen(generate_notices(model, tokenizer, READINGS, max_new_tokens=LENGTH, batch_size=5)) == expected


@pytest.mark.parametrize("patch", ["install", "closure"])
def test_a_model_that_a_trainer_has_patched(model, tokenizer, patch):
    """The patched forward is a closure over the unmerged model; decoding must go around it and leave it in place."""
    model = with_adapter(spread(model))
    expected = [[stock(model, tokenizer, reading)] for reading in READINGS[:8]]
    if patch == "install":
        install(model)
    else:

        def refuse(self, *args, **kwargs):
            raise AssertionError("the patched forward ran")

        model.get_base_model().forward = types.MethodType(refuse, model.get_base_model())
    forward, implementation = model.get_base_model().forward, model.config._attn_implementation
    assert seen(generate_notices(model, tokenizer, READINGS[:8], max_new_tokens=LENGTH)) == expected
    assert model.get_base_model().forward == forward
    assert model.config._attn_implementation == implementation


@pytest.mark.parametrize("adapter", [False, True])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_model_mode_and_random_state_stay(model, tokenizer, adapter, temperature):
    model = with_adapter(model).train() if adapter else model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    wanted = {name: value.requires_grad for name, value in model.named_parameters()}
    config = copy.deepcopy(model.config.to_dict())
    torch.manual_seed(11)
    state = torch.get_rng_state()
    generate_notices(model, tokenizer, READINGS[:5], samples=2, temperature=temperature, max_new_tokens=6)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert all(module.training for module in model.modules())
    assert {name: value.requires_grad for name, value in model.named_parameters()} == wanted
    assert model.config.to_dict() == config
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_bfloat16_weights_are_decoded_in_float32(model, tokenizer):
    model = spread(model).to(torch.bfloat16)
    expected = [[stock(copy.deepcopy(model).float(), tokenizer, reading)] for reading in READINGS[:10]]
    assert seen(generate_notices(model, tokenizer, READINGS[:10], max_new_tokens=LENGTH)) == expected
    assert model.dtype == torch.bfloat16


def test_samples_depend_on_seed_and_reading_alone(model, tokenizer):
    """Not on order, batch size or what else is decoded."""
    options = {"samples": 3, "temperature": 1.0, "max_new_tokens": LENGTH}
    all_at_once = seen(generate_notices(model, tokenizer, READINGS, seed=5, batch_size=64, **options))
    reverse = seen(generate_notices(model, tokenizer, READINGS[::-1], seed=5, batch_size=7, **options))
    assert reverse[::-1] == all_at_once
    assert seen(generate_notices(model, tokenizer, READINGS[4:5], seed=5, **options)) == all_at_once[4:5]
    assert seen(generate_notices(model, tokenizer, READINGS, seed=6, **options)) != all_at_once
    assert all(len({text for text, _, _ in group}) == 3 for group in all_at_once)


def test_a_reading_that_stands_twice_gets_further_samples(model, tokenizer):
    reading = READINGS[0]
    [four] = seen(generate_notices(model, tokenizer, [reading], samples=4, temperature=1.0, max_new_tokens=8))
    twice = seen(generate_notices(model, tokenizer, [reading] * 2, samples=2, temperature=1.0, max_new_tokens=8))
    assert [*twice[0], *twice[1]] == four


def test_greedy_samples_are_one_answer(model, tokenizer):
    for group in generate_notices(model, tokenizer, READINGS[:3], samples=4, max_new_tokens=5):
        assert len(group) == 4
        assert len(set(group)) == 1


def test_a_single_token(model, tokenizer):
    for (answer,) in generate_notices(model, tokenizer, READINGS[:3], max_new_tokens=1):
        assert answer.tokens == 1


def test_progress_counts_every_reading_once(model, tokenizer):
    calls = []
    generate_notices(
        often_stopping(model),
        tokenizer,
        READINGS[:6],
        samples=2,
        temperature=1.0,
        max_new_tokens=LENGTH,
        batch_size=3,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(done, 6) for done in range(1, 7)]


def test_seconds_add_up_to_no_more_than_the_wall_time(model, tokenizer):
    started = time.perf_counter()
    answers = generate_notices(model, tokenizer, READINGS[:6], max_new_tokens=5, batch_size=2)
    wall = time.perf_counter() - started
    assert all(answer.seconds > 0 for (answer,) in answers)
    assert sum(answer.seconds for (answer,) in answers) <= wall


def test_no_readings(model, tokenizer):
    assert generate_notices(model, tokenizer, []) == []


@pytest.mark.parametrize(
    "wrong", [{"samples": 0}, {"batch_size": 0}, {"max_new_tokens": 0}, {"temperature": -0.1}], ids=str
)
def test_wrong_numbers_are_refused(model, tokenizer, wrong):
    with pytest.raises(ValueError, match="at least"):
        generate_notices(model, tokenizer, READINGS[:1], **wrong)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_model_that_cannot_share_decodes_through_transformers_and_says_so(model, tokenizer, temperature, capsys):
    model = often_stopping(model)
    model.set_attn_implementation("eager")
    options = {"max_new_tokens": LENGTH, "batch_size": 4, "temperature": temperature}
    torch.manual_seed(2)
    state = torch.get_rng_state()
    answers = generate_notices(model, tokenizer, READINGS[:9], **options)
    assert "transformers.generate" in capsys.readouterr().err
    assert torch.equal(torch.get_rng_state(), state)
    assert seen(answers) == seen(generate_notices(model, tokenizer, READINGS[:9], **options))
    if temperature == 0:
        assert seen(answers) == [[stock(model, tokenizer, reading)] for reading in READINGS[:9]]


def test_attention_that_cannot_be_honoured_goes_the_same_way(model, tokenizer, monkeypatch, capsys):
    """Found when the model is first run, not from its config."""
    monkeypatch.setattr("models.decode.attention.BEYOND", ("position_ids",))
    answers = generate_notices(spread(model), tokenizer, READINGS[:4], max_new_tokens=LENGTH)
    assert "asks for position_ids" in capsys.readouterr().err
    assert seen(answers) == [[stock(model, tokenizer, reading)] for reading in READINGS[:4]]


def test_a_repetition_penalty_of_the_model_does_not_apply(model, tokenizer):
    expected = seen(generate_notices(spread(model), tokenizer, READINGS[:4], max_new_tokens=LENGTH))
    model.generation_config.repetition_penalty = 2.0
    assert seen(generate_notices(model, tokenizer, READINGS[:4], max_new_tokens=LENGTH)) == expected
    model.set_attn_implementation("eager")
    assert seen(generate_notices(model, tokenizer, READINGS[:4], max_new_tokens=LENGTH)) == expected


@pytest.mark.embedded
def test_greedy_of_the_embedded_model_equals_transformers():
    loaded = load_base(ModelSpec())
    readings = [*READINGS[:10], Reading(-20, -10), Reading(35, 42)]
    written = generate_notices(loaded.model, loaded.tokenizer, readings, max_new_tokens=40, batch_size=5)
    model, stops = loaded.model.float(), generate.stop_ids(loaded.model, loaded.tokenizer)
    for reading, (answer,) in zip(readings, written, strict=True):
        ids = torch.tensor([prompt_ids(loaded.tokenizer, reading)])
        output = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=40,
            do_sample=False,
            eos_token_id=stops,
            pad_token_id=0,
        )[0, ids.shape[1] :].tolist()
        assert answer.tokens == len(output)
        assert answer.text == loaded.tokenizer.decode(output, skip_special_tokens=True)
