"""Held to one figure: which words may follow, and that no answer of a stream writes another number."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.decode.figures import Figures
from models.decode.stream import Stream, Wanted
from models.merge import merged_copy
from models.template import prompt_ids
from models.tiny import tiny_model, tiny_tokenizer
from models.vocabulary import cut_vocabulary, task_words
from tests.models.test_stream import READINGS, prefix_of, run, spread

WORDS = ["<eos>", "도", "1", "5", "15", " 1", "5도", "1도 5", "51", " ", "٣"]


class Words:
    """A tokenizer whose tokens are ``WORDS``, from 100 on."""

    def batch_decode(self, rows, clean_up_tokenization_spaces):
        return [WORDS[token - 100] for [token] in rows]


def may(figure, *texts):
    """What may follow some words that are to write ``figure``."""
    figures = Figures(Words(), range(100, 100 + len(WORDS)))
    mask = figures.mask(figure, [100 + WORDS.index(text) for text in texts])
    return {word for word, allowed in zip(WORDS, mask.tolist(), strict=True) if allowed}


@pytest.mark.parametrize(
    ("figure", "texts", "expected"),
    [
        ("15", [], {"<eos>", "도", " ", "٣", "1", "15", " 1"}),
        ("15", ["도", "1"], {"5", "5도"}),
        ("15", ["1", "5"], {"<eos>", "도", " ", "٣", " 1"}),
        ("15", ["15"], {"<eos>", "도", " ", "٣", " 1"}),
        ("15", ["15", "도"], {"<eos>", "도", " ", "٣", "1", "15", " 1"}),
        ("15", [" 1"], {"5", "5도"}),
        ("1", ["1도 5"], set()),
        ("1", [], {"<eos>", "도", " ", "٣", "1", " 1"}),
        ("51", ["5"], {"1", "1도 5"}),
        ("51", ["51"], {"<eos>", "도", " ", "٣"}),
        ("5", [], {"<eos>", "도", " ", "٣", "5", "5도"}),
        ("0", [], {"<eos>", "도", " ", "٣"}),
    ],
)
def test_what_may_follow(figure, texts, expected):
    assert may(figure, *texts) == expected


@pytest.mark.parametrize(
    ("texts", "guess", "possible"),
    [
        ([], ["도", "1", "5", "도"], 4),
        ([], ["도", "5", "도"], 1),
        (["1"], ["5도", "1도 5"], 1),
        (["1"], ["도"], 0),
        (["15"], ["도", " 1", "5"], 3),
        ([], [], 0),
    ],
)
def test_how_much_of_a_guess_is_possible(texts, guess, possible):
    figures = Figures(Words(), range(100, 100 + len(WORDS)))
    tokens, guess = ([100 + WORDS.index(text) for text in each] for each in (texts, guess))
    assert figures.possible("15", tokens, guess) == guess[:possible]


@given(st.integers(0, 120), st.lists(st.integers(0, 10**6), max_size=30))
def test_whoever_keeps_to_the_masks_writes_no_other_figure(figure, choices):
    figures = Figures(Words(), range(100, 100 + len(WORDS)))
    tokens = []
    for choice in choices:
        allowed = figures.mask(str(figure), tokens).nonzero()[:, 0].tolist()
        if not allowed:
            break
        tokens.append(100 + allowed[choice % len(allowed)])
    text = "".join(WORDS[token - 100] for token in tokens)
    *whole, last = re.split("[^0-9]", text)
    assert {number for number in whole if number} <= {str(figure)}
    assert str(figure).startswith(last)


def test_masks_are_remembered_but_not_for_ever():
    figures = Figures(Words(), range(100, 100 + len(WORDS)))
    first = figures.mask("0", [])
    assert figures.mask("0", []) is first
    for number in range(1, 400):
        figures.mask(str(number), [])
    assert figures.mask("0", []) is not first


@pytest.mark.parametrize("cut", [False, True])
def test_answers_held_to_a_figure_beside_free_ones(cut):
    tokenizer = tiny_tokenizer()
    merged = merged_copy(spread(tiny_model(len(tokenizer))))
    if cut:  # to few words, so that one in six is a digit
        digits = tokenizer.convert_tokens_to_ids(list("0123456789"))
        cut_vocabulary(merged, [*digits, *task_words(tokenizer, ())[100:150]])
    stream = Stream(merged, tokenizer, prefix_of(tokenizer), stops=(), max_new_tokens=150, rows=32, seed=0)
    held = [
        Wanted(prompt_ids(tokenizer, reading), heat, str(abs(reading.delta)))
        for reading in READINGS
        for heat in (0.0, 1.0, 1.5)
    ]
    free = [Wanted(prompt_ids(tokenizer, reading), 1.0) for reading in READINGS for _ in range(3)]
    run(stream, [each for pair in zip(held, free, strict=True) for each in pair], 32)

    def numbers(wanted):
        return re.findall("[0-9]+", tokenizer.decode(wanted.tokens, skip_special_tokens=True))

    written = [number for each in held for number in numbers(each)]
    assert len(written) > (100 if cut else 2), "the answers must hold figures at all"
    for each in held:
        found = numbers(each)
        if found and tokenizer.decode(each.tokens, skip_special_tokens=True).endswith(found[-1]):  # cut off in it
            assert each.figure.startswith(found.pop())
        assert set(found) <= {each.figure}
    others = [number for each in free for number in numbers(each)]
    assert len(set(others)) > 5
