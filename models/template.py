"""Chats as token ids: one template, a prompt that is always a prefix of the whole, one stop token at the end.

Gemma's turn markers, without a system role: the system text opens the first user turn. The line feed stands before a
turn instead of behind it, so that a chat ends in its stop token and nothing has to be cut off.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from weakref import WeakKeyDictionary

from data.prompts import Message, prompt_messages
from data.reading import Reading

START_OF_TURN, END_OF_TURN = "<start_of_turn>", "<end_of_turn>"

GEMMA_TEMPLATE = (
    "{{ bos_token }}"
    "{%- set opening = namespace(text='') -%}"
    "{%- set turns = namespace(any=false) -%}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'system' -%}"
    "{%- set opening.text = message['content'] + '\n\n' -%}"
    "{%- else -%}"
    "{{- '\n' if turns.any else '' -}}"
    "{%- set turns.any = true -%}"
    "{%- if message['role'] == 'assistant' -%}"
    "{{- '<start_of_turn>model\n' -}}"
    "{%- generation -%}{{- message['content'] + '<end_of_turn>' -}}{%- endgeneration -%}"
    "{%- else -%}"
    "{{- '<start_of_turn>user\n' + opening.text + message['content'] + '<end_of_turn>' -}}"
    "{%- set opening.text = '' -%}"
    "{%- endif -%}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '\n<start_of_turn>model\n' -}}{%- endif -%}"
)

_PROBE = Reading(10, 20)
_PROBE_NOTICE = "가"
_stop_tokens: "WeakKeyDictionary[Any, dict[str, int]]" = WeakKeyDictionary()


class PromptPrefixError(ValueError):
    """The tokens of a prompt are not a prefix of the tokens of the whole chat."""


def prompt_ids(tokenizer: Any, reading: Reading) -> list[int]:
    """Token ids of system and user turn up to where the model's answer begins."""
    return _encode(tokenizer, prompt_messages(reading), add_generation_prompt=True)


def answer_ids(tokenizer: Any, reading: Reading, notice: str) -> list[int]:
    """Token ids that follow :func:`prompt_ids`: the notice and exactly one stop token.

    Raises:
        PromptPrefixError: the prompt's tokens are not a prefix of the whole chat's tokens.
        ValueError: the answer holds no stop token, or one in its midst.
    """
    prompt = prompt_ids(tokenizer, reading)
    answer: Message = {"role": "assistant", "content": notice}
    whole = _encode(tokenizer, [*prompt_messages(reading), answer], add_generation_prompt=False)
    if whole[: len(prompt)] != prompt:
        raise PromptPrefixError(
            f"reading {reading.yesterday} -> {reading.today}, notice {notice!r}: the tokens of the prompt are not a "
            "prefix of the tokens of the whole chat, so training would see another prompt than generation; take a "
            "chat template that writes the prompt the same way in both, and a notice without leading white space"
        )
    answered = whole[len(prompt) :]
    stop = stop_token_id(tokenizer)
    if stop not in answered:
        raise ValueError(f"notice {notice!r}: the chat template puts no stop token {stop} behind the answer")
    end = answered.index(stop) + 1
    if stop in answered[end:] or tokenizer.decode(answered[end:]).strip():
        raise ValueError(f"notice {notice!r} holds a stop token of the chat template: take it out of the text")
    return answered[:end]


def stop_token_id(tokenizer: Any) -> int:
    """The special token that the chat template puts behind an answer.

    Raises:
        ValueError: it puts none there, so a model trained on it would never learn to stop.
    """
    known = _stop_tokens.setdefault(tokenizer, {})
    template = str(tokenizer.chat_template)
    if template not in known:
        known[template] = _find_stop_token(tokenizer)
    return known[template]


def _find_stop_token(tokenizer: Any) -> int:
    answer: Message = {"role": "assistant", "content": _PROBE_NOTICE}
    prompt = _encode(tokenizer, prompt_messages(_PROBE), add_generation_prompt=True)
    whole = _encode(tokenizer, [*prompt_messages(_PROBE), answer], add_generation_prompt=False)
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    for token in whole[len(prompt) :]:
        if token in special:
            return int(token)
    raise ValueError("the chat template puts no special token behind an answer; a model would never learn to stop")


def template_hash(tokenizer: Any) -> str:
    """SHA-256 of the chat template's text, hexadecimal."""
    return sha256(str(tokenizer.chat_template).encode()).hexdigest()


def _encode(tokenizer: Any, messages: Sequence[Message], *, add_generation_prompt: bool) -> list[int]:
    text = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=add_generation_prompt)
    return [int(token) for token in tokenizer(text, add_special_tokens=False)["input_ids"]]
