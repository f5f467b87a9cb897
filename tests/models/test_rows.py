"""Token rows: the answer alone is labelled, it ends in one stop token, and nothing is cut."""

import pytest

from data.prompts import SYSTEM_PROMPT
from data.source import source_notices
from models.rows import IGNORED, answer_rows, preference_rows
from models.template import END_OF_TURN, stop_token_id
from models.tiny import tiny_tokenizer

NOTICES = [(notice.reading, notice.text) for notice in source_notices("train")[:12]]


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


def test_labels_decode_to_the_notice_and_its_stop_token_and_nothing_else(tokenizer):
    stop = stop_token_id(tokenizer)
    for row, (_, notice) in zip(answer_rows(tokenizer, NOTICES), NOTICES, strict=True):
        labelled = [label for label in row["labels"] if label != IGNORED]
        assert tokenizer.decode(labelled) == notice + END_OF_TURN
        assert labelled.count(stop) == 1
        assert labelled[-1] == stop
        assert row["input_ids"][-len(labelled) :] == labelled
        assert len(row["labels"]) == len(row["input_ids"])


def test_the_unlabelled_part_is_the_whole_prompt(tokenizer):
    reading, _ = NOTICES[0]
    row = answer_rows(tokenizer, NOTICES[:1])[0]
    prompt = [token for token, label in zip(row["input_ids"], row["labels"], strict=True) if label == IGNORED]
    text = tokenizer.decode(prompt)
    assert SYSTEM_PROMPT in text
    assert f"어제 {reading.yesterday}도, 오늘 {reading.today}도" in text
    assert text.endswith("<start_of_turn>model\n")


def test_a_row_as_long_as_the_limit_passes_and_a_longer_one_is_an_error(tokenizer):
    length = len(answer_rows(tokenizer, NOTICES[:1])[0]["input_ids"])
    assert len(answer_rows(tokenizer, NOTICES[:1], length)) == 1
    reading, notice = NOTICES[0]
    told = rf"reading {reading.yesterday} -> {reading.today}: {length} tokens, max_length is {length - 1}; nothing is"
    with pytest.raises(ValueError, match=told):
        answer_rows(tokenizer, NOTICES[:1], length - 1)
    with pytest.raises(ValueError, match=told):
        preference_rows(tokenizer, [(reading, notice, notice[:-5])], length - 1)


def test_both_sides_of_a_pair_end_in_one_stop_token_behind_the_same_prompt(tokenizer):
    reading, notice = NOTICES[1]
    row = preference_rows(tokenizer, [(reading, notice, f"안내: {notice}")])[0]
    stop = stop_token_id(tokenizer)
    for side, text in (("chosen_ids", notice), ("rejected_ids", f"안내: {notice}")):
        assert tokenizer.decode(row[side]) == text + END_OF_TURN
        assert row[side].count(stop) == 1
    assert row["prompt_ids"] + row["chosen_ids"] == answer_rows(tokenizer, [NOTICES[1]])[0]["input_ids"]


def test_sides_of_the_same_tokens_are_an_error(tokenizer):
    reading, notice = NOTICES[0]
    with pytest.raises(ValueError, match="chosen and rejected have the same tokens"):
        preference_rows(tokenizer, [(reading, notice, notice)])
