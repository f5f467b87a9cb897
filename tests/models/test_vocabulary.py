"""A cut head: which words stay, the numbers of a softmax over them, that only they are written, where they are kept."""

import json

import pytest
import torch

from data.reading import Reading
from dpo.train import run_dpo
from models import generate
from models.adapter import load_adapter
from models.decode import CannotDecodeError
from models.generate import generate_notices
from models.load import load_base, run_spec
from models.runs import open_run
from models.tiny import tiny_model, tiny_tokenizer
from models.vocabulary import (
    FILE,
    VocabularyError,
    choose_vocabulary,
    cut_vocabulary,
    kept_words,
    load_words,
    positions,
    save_words,
    task_words,
)
from tests.models.trie_cases import BATCHES, VOCABULARY, assert_gradients_close, gradients, padded, tiny, twins
from tests.stage_cases import dpo_settings, sft_settings

KEPT = [1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 20, 21, 30, 31, 32, 33, 40, 41, 42, 60]
QUICK = {"max_steps": 1, "eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False}


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


def test_what_a_notice_can_be_written_with_stays(tokenizer):
    kept = set(task_words(tokenizer, []))
    for text in ("어제", "10도, 오늘 20도.", "뷁"):
        assert kept >= set(tokenizer(text, add_special_tokens=False)["input_ids"]), text
    assert kept >= set(tokenizer.all_special_ids)
    (letter,) = tokenizer("q", add_special_tokens=False)["input_ids"]
    assert letter not in kept
    assert letter in task_words(tokenizer, ["Ex: q"])


def test_words_are_sorted_and_each_stands_once(tokenizer):
    words = task_words(tokenizer, ["어제 어제", "오늘"])
    assert words == sorted(set(words))
    assert len(words) < len(tokenizer)


@pytest.mark.parametrize("rows", [BATCHES["ragged"], BATCHES["single"]], ids=["ragged", "single"])
@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_log_probs_and_gradients_are_those_of_a_softmax_over_the_kept_words(family, rows):
    kept = [*KEPT, 14]
    packed, plain = twins(family)[1], tiny(family)
    cut_vocabulary(packed, kept)
    batch = padded(rows)
    ours = packed(**batch, fused_lm_head=True).log_probs
    labels = batch.pop("labels")[:, 1:]
    # the model's own logits, with soft cap, minus infinity where a word was cut away
    away = torch.ones(VOCABULARY, dtype=torch.bool)
    away[kept] = False
    logits = plain(**batch).logits[:, :-1].masked_fill(away, float("-inf"))
    theirs = logits.log_softmax(-1).gather(2, labels.clamp(min=kept[0])[..., None])[..., 0] * (labels != -100)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    assert_gradients_close(gradients(packed, -ours.sum()), gradients(plain, -theirs.sum()))


def test_a_cut_head_can_be_made_whole_again():
    packed = twins("llama")[1]
    batch = padded(BATCHES["ragged"])
    before = packed(**batch, fused_lm_head=True).log_probs
    cut_vocabulary(packed, KEPT)
    assert not torch.equal(packed(**batch, fused_lm_head=True).log_probs, before)
    cut_vocabulary(packed, None)
    assert kept_words(packed) is None
    assert torch.equal(packed(**batch, fused_lm_head=True).log_probs, before)


def test_a_label_that_was_cut_away_is_named():
    packed = twins("llama")[1]
    cut_vocabulary(packed, [word for word in KEPT if word != 12])
    with pytest.raises(VocabularyError, match="token 12 stands in a row but was cut"):
        packed(**padded(BATCHES["ragged"]), fused_lm_head=True)


def test_positions_by_hand():
    words = torch.tensor([3, 5, 9])
    assert positions(torch.tensor([9, 3, 5, 3]), words).tolist() == [2, 0, 1, 0]
    for missing in (0, 4, 10):
        with pytest.raises(VocabularyError, match=f"token {missing} "):
            positions(torch.tensor([3, missing]), words)


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_only_kept_words_are_written_and_the_weights_stay(tokenizer, temperature):
    model = tiny_model(len(tokenizer))
    readings = [Reading(1, 5), Reading(30, 12)]
    settings = {"max_new_tokens": 12, "temperature": temperature, "samples": 3}
    whole = generate_notices(model, tokenizer, readings, **settings)
    # without the pieces of characters, so that what is written shows what it was written with
    words = [word for word in task_words(tokenizer, []) if "\ufffd" not in tokenizer.decode([word])][::2]
    cut_vocabulary(model, words)
    written = [a.text for answers in generate_notices(model, tokenizer, readings, **settings) for a in answers]
    assert set("".join(written)) <= set("".join(tokenizer.batch_decode([[word] for word in words])))
    cut_vocabulary(model, None)
    again = generate_notices(model, tokenizer, readings, **settings)
    assert [[a.text for a in answers] for answers in again] == [[a.text for a in answers] for answers in whole]
    assert written != [a.text for answers in whole for a in answers]


def test_transformers_own_generation_writes_the_same_kept_words(tokenizer, monkeypatch):
    model = tiny_model(len(tokenizer))
    cut_vocabulary(model, [word for word in task_words(tokenizer, []) if word % 3])
    readings = [Reading(1, 5), Reading(30, 12)]
    ours = generate_notices(model, tokenizer, readings, max_new_tokens=12)

    def refused(_):
        raise CannotDecodeError("for this test")

    monkeypatch.setattr(generate, "Decoder", refused)
    stock = generate_notices(model, tokenizer, readings, max_new_tokens=12)
    assert [a.text for [a] in ours] == [a.text for [a] in stock]


def test_words_outside_the_head_are_refused(tokenizer):
    model = tiny_model(len(tokenizer))
    for words in ([], [-1, 3], [3, len(tokenizer)]):
        with pytest.raises(VocabularyError, match="cannot be kept"):
            cut_vocabulary(model, words)


def test_the_list_beside_an_adapter(tokenizer, tmp_path):
    model = tiny_model(len(tokenizer))
    save_words(model, tmp_path)
    assert not (tmp_path / FILE).exists()
    load_words(model, tmp_path)
    assert kept_words(model) is None
    cut_vocabulary(model, [7, 3, 5])
    save_words(model, tmp_path)
    assert json.loads((tmp_path / FILE).read_text()) == {"of": len(tokenizer), "tokens": [3, 5, 7]}
    fresh = tiny_model(len(tokenizer))
    load_words(fresh, tmp_path)
    assert kept_words(fresh).tolist() == [3, 5, 7]
    (tmp_path / FILE).write_text(json.dumps({"of": 9, "tokens": [3]}))
    with pytest.raises(VocabularyError, match="head of 9 words"):
        load_words(fresh, tmp_path)
    (tmp_path / FILE).write_text("[1")
    with pytest.raises(VocabularyError, match="is damaged"):
        load_words(fresh, tmp_path)


def test_a_cut_without_the_packed_pass_is_refused(tokenizer):
    model = tiny_model(len(tokenizer))
    with pytest.raises(VocabularyError, match="packing: trie"):
        choose_vocabulary(model, tokenizer, "task", [], packed=False)
    choose_vocabulary(model, tokenizer, None, [], packed=False)
    assert kept_words(model) is None


def test_stage_2_keeps_the_cut_of_stage_1_and_adds_the_words_of_its_pairs(chat_files, tmp_path):
    from sft.train import run_sft

    sft = run_sft(sft_settings(chat_files, tmp_path, vocabulary="task", generate_validation=False, **QUICK))
    first = set(json.loads((sft.adapter / FILE).read_text())["tokens"])
    cut = run_dpo(dpo_settings(sft, tmp_path, generate_validation=False, **QUICK))
    second = set(json.loads((cut.adapter / FILE).read_text())["tokens"])
    assert first < second  # rejected notices have labels such as "Output:"
    loaded = load_base(run_spec(open_run(cut.path)))
    assert set(kept_words(load_adapter(loaded, cut.adapter)).tolist()) == second
    whole = run_dpo(dpo_settings(sft, tmp_path, vocabulary="full", generate_validation=False, **QUICK))
    assert not (whole.adapter / FILE).exists()
