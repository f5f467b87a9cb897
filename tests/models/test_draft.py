"""A table of what followed what."""

from models.decode.draft import KEPT, Drafts


def learnt(*answers):
    drafts = Drafts()
    for tokens in answers:
        for length in range(1, len(tokens) + 1):
            drafts.learn(tokens[:length])
    return drafts


def test_what_followed_follows_again():
    drafts = learnt([1, 2, 3, 4, 5])
    assert drafts.guess([], 3) == [1, 2, 3]
    assert drafts.guess([1, 2], 2) == [3, 4]
    assert drafts.guess([9, 9, 2, 3], 9) == [4, 5]
    assert drafts.guess([1, 2], 0) == []


def test_nothing_is_guessed_from_one_token_alone():
    drafts = learnt([1, 2, 3])
    assert drafts.guess([9, 2], 1) == []
    assert Drafts().guess([], 4) == []


def test_the_longest_context_decides_and_the_latest_answer_among_equal_ones():
    drafts = learnt([7, 1, 2, 3], [8, 1, 2, 4])
    assert drafts.guess([7, 1, 2], 1) == [3]
    assert drafts.guess([8, 1, 2], 1) == [4]
    assert drafts.guess([9, 1, 2], 1) == [4]


def test_the_table_does_not_grow_for_ever():
    drafts = learnt([1, 2, 3])
    for number in range(KEPT):
        drafts.learn([10 + number, 20 + number, 30 + number])
    assert len(drafts._next) == KEPT
    assert drafts.guess([1, 2], 1) == []
    assert drafts.guess([9 + KEPT, 19 + KEPT], 1) == [29 + KEPT]
