"""A table of what followed what."""

from models.decode.draft import KEPT, Drafts


def learnt(*answers):
    drafts = Drafts()
    for tokens in answers:
        drafts.learn(tokens)
    return drafts


def test_what_followed_follows_again():
    drafts = learnt([1, 2, 3, 4, 5])
    assert drafts.guess([], 3) == [1, 2, 3]
    assert drafts.guess([1, 2], 2) == [3, 4]
    assert drafts.guess([9, 9, 2, 3], 9) == [4, 5]
    assert drafts.guess([1, 2], 0) == []


def test_nothing_is_guessed_where_nothing_is_known():
    drafts = learnt([1, 2, 3])
    assert drafts.guess([9], 1) == []
    assert drafts.guess([9, 2], 3) == [3]
    assert Drafts().guess([], 4) == []


def test_the_longest_context_decides():
    drafts = learnt([7, 1, 2, 3], [8, 1, 2, 4], [8, 1, 2, 4])
    assert drafts.guess([7, 1, 2], 1) == [3]
    assert drafts.guess([8, 1, 2], 1) == [4]


def test_what_followed_most_often_is_guessed_and_the_first_of_equals():
    drafts = learnt([7, 1, 2, 3], [8, 1, 2, 4])
    assert drafts.guess([9, 1, 2], 1) == [3]
    drafts.learn([5, 1, 2, 4])
    assert drafts.guess([9, 1, 2], 1) == [4]


def test_the_table_does_not_grow_for_ever():
    drafts = learnt([1, 2, 3])
    drafts.learn(range(10, 10 + KEPT))
    assert len(drafts._next) == KEPT
    assert drafts.guess([1, 2], 1) == []
    assert drafts.guess([KEPT, KEPT + 1], 1) == [KEPT + 2]
