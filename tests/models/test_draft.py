"""A table of what followed what."""

import pytest

from models.decode.draft import KEPT, MOST, Drafts, Guess

ONCE = 1 / 2 + 1 / 4 + 1 / 8 + 1 / 16
"""The chance of what alone followed, once, all four contexts: each keeps half for what it has not seen."""


def learnt(*answers, digits=()):
    drafts = Drafts(digits)
    for tokens in answers:
        drafts.learn(tokens)
    return drafts


def tokens_of(guesses):
    return [guess.token for guess in guesses]


def test_what_followed_follows_again():
    drafts = learnt([1, 2, 3, 4, 5])
    assert drafts.guess([]) == [Guess(token, ONCE**token) for token in (1, 2, 3, 4, 5)]
    assert tokens_of(drafts.guess([1, 2])) == [3, 4, 5]


def test_a_context_that_is_known_in_part_gives_less():
    drafts = learnt([1, 2, 3, 4, 5])
    # two contexts know what follows 2 3, three what follows 2 3 4
    assert drafts.guess([9, 9, 2, 3]) == [Guess(4, 3 / 4), Guess(5, 3 / 4 * 7 / 8)]


def test_nothing_is_guessed_where_nothing_is_known():
    assert learnt([1, 2, 3]).guess([9]) == []
    assert Drafts().guess([]) == []


def test_nor_where_too_much_has_followed():
    # 1/8 of the longest context, and of half, a quarter and an eighth of the others: below three in ten
    assert learnt([1, 2], [1, 3], [1, 4], [1, 5]).guess([1]) == []
    assert tokens_of(learnt([1, 2], [1, 2], [1, 2], [1, 5]).guess([1])) == [2]


def test_longer_contexts_count_more():
    drafts = learnt([7, 1, 2, 3], [8, 1, 2, 4], [8, 1, 2, 4])
    [guess] = drafts.guess([7, 1, 2])
    assert guess.token == 3
    # the longer two know 3 alone; the shorter two have seen it once in three, 4 besides
    assert guess.chance == pytest.approx(1 / 2 + 1 / 4 + 1 / 4 * (1 / 5 + 2 / 5 * 1 / 5))
    assert tokens_of(drafts.guess([8, 1, 2])) == [4]
    assert tokens_of(drafts.guess([9, 1, 2])) == [4]


def test_so_many_and_no_more():
    drafts = learnt(*[list(range(30))] * 9)
    assert tokens_of(drafts.guess([])) == list(range(MOST))


def test_what_will_not_come_next_is_not_guessed_there():
    drafts = learnt([1, 2, 9], [1, 2, 9], [1, 3, 8])
    assert tokens_of(drafts.guess([1])) == [2, 9]
    assert drafts.guess([1], banned={2}) == [Guess(3, ONCE), Guess(8, ONCE**2)]
    assert drafts.guess([1], banned={2, 3}) == []


def test_every_number_is_the_same_and_guessed_as_the_one_that_is_wanted():
    drafts = learnt([1, 50, 51, 2], digits={50, 51, 52})
    assert drafts.guess([1], [52, 50]) == [Guess(52, ONCE), Guess(50, ONCE), Guess(2, ONCE**2)]
    assert drafts.guess([1, 52], [52, 50]) == [Guess(50, 1.0), Guess(2, ONCE)]
    assert drafts.guess([1, 52, 50], [52, 50]) == [Guess(2, ONCE)]
    assert drafts.guess([1, 50], [50]) == [Guess(2, ONCE)]
    assert drafts.guess([1]) == []
    assert drafts.guess([1, 51]) == [Guess(2, ONCE)]


def test_the_table_does_not_grow_for_ever():
    drafts = learnt([1, 2, 3])
    drafts.learn(range(10, 10 + KEPT))
    assert len(drafts._next) == KEPT
    assert drafts.guess([1, 2]) == []
    assert tokens_of(drafts.guess([KEPT, KEPT + 1]))[0] == KEPT + 2
