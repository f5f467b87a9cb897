"""Answers that turn back where they go wrong."""

import pytest
import torch

from models.decode import Drafts
from models.decode.wanted import BANS, TURNS, Turning, Wanted
from tests.models.test_stream import model as model  # fixtures
from tests.models.test_stream import run, stream_of, texts, wanted_of
from tests.models.test_stream import tokenizer as tokenizer

WORDS = ["<eos>", "▁높", "아", "▁낮", "Ġ더", "▁", "도"]
EOS, HIGH, AH, LOW, MORE, BLANK, DEGREES = range(7)


class Words:
    """A tokenizer whose tokens are ``WORDS``."""

    def convert_ids_to_tokens(self, ids):
        return [WORDS[token] for token in ids]

    def decode(self, tokens, skip_special_tokens):
        return "".join(WORDS[token] for token in tokens if token or not skip_special_tokens).replace("▁", " ")


def written(*tokens, wrong="높아", finished=False, banned=None, look="turn", turns=0):
    asked = []

    def looked(text, ended):
        asked.append(text)
        assert ended == finished
        return look if wrong in text else None

    turning = Turning(Words(), range(len(WORDS)))
    wanted = Wanted([9], 0.0, None, looked, banned=banned or {}, turns=turns)
    for place, token in enumerate(tokens):
        if turning.begins(wanted, token):
            wanted.logits[place] = torch.tensor([place])
        wanted.tokens.append(token)
    wanted.finished = finished
    return wanted, turning.look(wanted), asked


def test_at_the_end_of_a_word_it_turns_back_to_before_the_word():
    wanted, turned, asked = written(DEGREES, HIGH, AH, MORE)
    assert turned
    assert asked == ["도 높아"]
    assert wanted.tokens == [DEGREES]
    assert wanted.banned == {1: {HIGH}}
    assert wanted.turns == 1
    assert sorted(wanted.logits) == [0, 1]  # the other word is chosen by those of the one before it


def test_inside_a_word_nobody_is_asked():
    for tokens in ([DEGREES, HIGH, AH], [HIGH], []):
        wanted, turned, asked = written(*tokens) if tokens else written(DEGREES)
        assert not turned
        assert not asked
        assert not wanted.turns


def test_what_goes_well_goes_on():
    wanted, turned, asked = written(DEGREES, LOW, AH, MORE)
    assert not turned
    assert asked
    assert wanted.tokens == [DEGREES, LOW, AH, MORE]


def test_an_answer_that_ended_wrong_goes_on_from_before_its_last_word():
    wanted, turned, asked = written(DEGREES, LOW, AH, HIGH, AH, EOS, finished=True)
    assert turned
    assert asked == ["도 낮아 높아"]
    assert wanted.tokens == [DEGREES, LOW, AH]
    assert not wanted.finished


def test_an_answer_that_is_to_stop_is_given_up_at_the_end_of_the_word():
    wanted, turned, _ = written(DEGREES, HIGH, AH, MORE, look="stop")
    assert not turned
    assert wanted.given_up
    assert wanted.tokens == [DEGREES, HIGH, AH]


def test_an_answer_that_ended_is_whole_and_not_given_up():
    wanted, turned, _ = written(DEGREES, HIGH, AH, EOS, finished=True, look="stop")
    assert not turned
    assert not wanted.given_up
    assert wanted.tokens == [DEGREES, HIGH, AH, EOS]


def test_a_place_with_enough_bans_is_left_for_the_word_ahead_of_it():
    banned = {3: set(range(100, 100 + BANS)), 1: {MORE}}
    wanted, turned, _ = written(DEGREES, LOW, AH, HIGH, AH, BLANK, banned=banned)
    assert turned
    assert wanted.tokens == [DEGREES]
    assert wanted.banned == {1: {MORE, LOW}}


def test_the_first_word_may_be_another_too():
    wanted, turned, _ = written(HIGH, AH, BLANK)
    assert turned
    assert (wanted.tokens, wanted.banned) == ([], {0: {HIGH}})


def test_where_no_other_word_is_left_the_answer_is_given_up():
    spoilt = set(range(100, 100 + BANS))
    for tokens, turns, banned in (
        ((HIGH, AH, BLANK), 0, {0: spoilt}),
        ((DEGREES, HIGH, AH, BLANK), 0, {0: spoilt, 1: spoilt}),
        ((DEGREES, HIGH, AH, BLANK), TURNS, {}),
    ):
        wanted, turned, _ = written(*tokens, turns=turns, banned=banned)
        assert not turned
        assert wanted.given_up
        assert wanted.tokens == list(tokens[:-1])
        assert wanted.turns == turns


def test_who_begins_anew_has_forgotten_everything():
    wanted, _, _ = written(DEGREES, HIGH, AH, MORE)
    wanted.begin_anew()
    assert (wanted.tokens, wanted.finished, wanted.banned, wanted.turns, wanted.logits) == ([], False, {}, 0, {})
    wanted, _, _ = written(DEGREES, HIGH, AH, MORE, look="stop")
    wanted.begin_anew()
    assert not wanted.given_up


@pytest.mark.parametrize(("rows", "temperature"), [(1, 0.0), (4, 1.0)])
def test_answers_that_turn_back_beside_others_that_do_not(model, tokenizer, rows, temperature):
    def answers(look, drafts=None):
        turning = [Wanted(each.prompt, temperature, look=look) for each in wanted_of(tokenizer)]
        beside = wanted_of(tokenizer)
        mixed = [each for pair in zip(turning, beside, strict=True) for each in pair]
        run(stream_of(model, tokenizer, rows, drafts=drafts), mixed, rows)
        return turning, beside

    free, alone = answers(None)
    words = [word for text in texts(tokenizer, free) for word in text.split(" ")[1:-1] if len(word) > 1]
    unwanted = max(set(words), key=words.count)

    def look(text, ended):
        return "turn" if unwanted in text else None

    turning, beside = answers(look)
    assert any(each.turns and not each.given_up for each in turning)
    for each, text in zip(turning, texts(tokenizer, turning), strict=True):
        if not each.given_up:  # the last word of an answer that is cut off has not been looked at
            assert unwanted not in (text if each.finished else text.rpartition(" ")[0])
    assert [each.tokens for each in beside] == [each.tokens for each in alone]
    again, _ = answers(look, Drafts())
    assert [each.tokens for each in again] == [each.tokens for each in turning]
