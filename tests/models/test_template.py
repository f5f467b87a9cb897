"""The prompt is a prefix of the whole, an answer ends in one stop token, and what breaks that is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.prompts import SYSTEM_PROMPT, chat_messages, user_text
from data.reading import Reading
from data.source import source_notices
from models.template import (
    END_OF_TURN,
    GEMMA_TEMPLATE,
    PromptPrefixError,
    answer_ids,
    prompt_ids,
    stop_token_id,
    template_hash,
)
from models.tiny import tiny_tokenizer

READING = Reading(-5, 8)
NOTICE = "어제보다 13도 높아 포근하니 산책을 즐겨 보세요."
_TOKENIZER = tiny_tokenizer()


@pytest.fixture
def tokenizer():
    return tiny_tokenizer()


def test_the_text_of_a_prompt(tokenizer):
    assert tokenizer.decode(prompt_ids(tokenizer, READING)) == (
        f"<bos><start_of_turn>user\n{SYSTEM_PROMPT}\n\n{user_text(READING)}<end_of_turn>\n<start_of_turn>model\n"
    )


def test_the_text_of_a_whole_chat(tokenizer):
    ids = [*prompt_ids(tokenizer, READING), *answer_ids(tokenizer, READING, NOTICE)]
    assert tokenizer.decode(ids).endswith(f"<start_of_turn>model\n{NOTICE}{END_OF_TURN}")
    assert ids == tokenizer.apply_chat_template(chat_messages(READING, NOTICE), return_dict=False)


def test_turns_are_parted_by_a_line_feed_and_a_system_turn_opens_the_first_of_the_user(tokenizer):
    messages = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "U"},
        {"role": "assistant", "content": "A"},
        {"role": "user", "content": "V"},
    ]
    assert tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) == (
        "<bos><start_of_turn>user\nS\n\nU<end_of_turn>\n<start_of_turn>model\nA<end_of_turn>\n"
        "<start_of_turn>user\nV<end_of_turn>\n<start_of_turn>model\n"
    )


@given(
    st.integers(-20, 45),
    st.integers(-20, 45),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=70),
)
@settings(max_examples=60, deadline=None)
def test_an_answer_ends_in_exactly_one_stop_token_and_decodes_to_the_notice(yesterday, today, notice):
    ids = answer_ids(_TOKENIZER, Reading(yesterday, today), notice)
    stop = stop_token_id(_TOKENIZER)
    assert ids[-1] == stop
    assert ids.count(stop) == 1
    assert _TOKENIZER.decode(ids[:-1]) == notice


@pytest.mark.parametrize("split", ["train", "validation"])
def test_every_written_notice_is_encoded(tokenizer, split):
    for notice in source_notices(split):
        assert tokenizer.decode(answer_ids(tokenizer, notice.reading, notice.text)) == notice.text + END_OF_TURN


def test_the_template_marks_what_the_assistant_says(tokenizer):
    out = tokenizer.apply_chat_template(
        chat_messages(READING, NOTICE), return_dict=True, return_assistant_tokens_mask=True
    )
    marked = [token for token, mark in zip(out["input_ids"], out["assistant_masks"], strict=True) if mark]
    assert marked == answer_ids(tokenizer, READING, NOTICE)


def test_a_template_that_writes_the_prompt_otherwise_in_the_whole_chat_is_refused(tokenizer):
    stop_token_id(tokenizer)
    tokenizer.chat_template = GEMMA_TEMPLATE.replace(
        "{{ bos_token }}", "{{ bos_token if add_generation_prompt else '' }}"
    )
    with pytest.raises(PromptPrefixError, match=r"reading -5 -> 8, notice '어제.*not a prefix"):
        answer_ids(tokenizer, READING, NOTICE)


def test_a_notice_that_melts_into_the_prompt_is_refused(tokenizer):
    """A template that ends its prompt within a word: the tokens of both together are others."""
    tokenizer.chat_template = GEMMA_TEMPLATE.replace("model\\n", "model 오").replace("model\n", "model 오")
    prompt = tokenizer.decode(prompt_ids(tokenizer, READING))
    assert prompt.endswith("model 오")
    with pytest.raises(PromptPrefixError, match="take a chat template"):
        answer_ids(tokenizer, READING, "늘은 어제보다 포근하니")


def test_a_stop_token_within_the_notice_is_refused(tokenizer):
    with pytest.raises(ValueError, match="holds a stop token"):
        answer_ids(tokenizer, READING, f"어제보다{END_OF_TURN} 따뜻")


def test_a_stop_token_at_the_end_of_the_notice_is_refused(tokenizer):
    with pytest.raises(ValueError, match="holds a stop token"):
        answer_ids(tokenizer, READING, NOTICE + END_OF_TURN)


def test_a_template_without_a_stop_token_is_refused(tokenizer):
    tokenizer.chat_template = GEMMA_TEMPLATE.replace("message['content'] + '<end_of_turn>'", "message['content']", 1)
    with pytest.raises(ValueError, match="never learn to stop"):
        stop_token_id(tokenizer)


def test_the_stop_token_belongs_to_the_template_of_the_moment(tokenizer):
    assert stop_token_id(tokenizer) == tokenizer.convert_tokens_to_ids(END_OF_TURN)
    tokenizer.chat_template = GEMMA_TEMPLATE.replace(
        "message['content'] + '<end_of_turn>'", "message['content'] + '<eos>'", 1
    )
    assert stop_token_id(tokenizer) == tokenizer.convert_tokens_to_ids("<eos>")


def test_what_stands_behind_the_stop_token_is_left_out(tokenizer):
    """Many templates end a turn with a line feed."""
    plain = answer_ids(tokenizer, READING, NOTICE)
    tokenizer.chat_template = GEMMA_TEMPLATE.replace(
        "message['content'] + '<end_of_turn>' -}}{%- endgeneration",
        "message['content'] + '<end_of_turn>\n' -}}{%- endgeneration",
    )
    whole = tokenizer.apply_chat_template(chat_messages(READING, NOTICE), tokenize=False)
    assert whole.endswith(END_OF_TURN + "\n")
    assert answer_ids(tokenizer, READING, NOTICE) == plain


def test_the_hash_follows_the_template(tokenizer):
    before = template_hash(tokenizer)
    assert before == template_hash(tiny_tokenizer())
    tokenizer.chat_template += " "
    assert template_hash(tokenizer) != before
