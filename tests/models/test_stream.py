"""A stream gives the answers of :func:`models.generate.generate_notices`, whoever joins or leaves beside them."""

import pytest
import torch

from data.reading import Reading
from data.splits import cells
from models.decode import Drafts, LeanBody, Stream, Wanted, can_be_lean, use_half
from models.decode.draft import MOST, Guess
from models.decode.stream import Joining
from models.generate import generate_notices, stop_ids
from models.merge import merged_copy
from models.template import prompt_ids
from models.tiny import tiny_model, tiny_tokenizer
from models.vocabulary import cut_vocabulary, task_words

READINGS = list(cells("validation"))
LENGTH = 16


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


def spread(model):
    """Sharper logits, an attention that matters, and stop tokens that come at different steps."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2 and parameter.shape != model.lm_head.weight.shape:
                parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    model.generation_config.eos_token_id = [602, 34]
    return model


@pytest.fixture
def model(tokenizer):
    return spread(tiny_model(len(tokenizer)))


def set_window(model, window):
    """A sliding window of so many positions in the layers that have one."""
    model.config.sliding_window = window
    for layer in model.model.layers:
        if layer.self_attn.sliding_window is not None:
            layer.self_attn.sliding_window = window


def prefix_of(tokenizer):
    one, other = (prompt_ids(tokenizer, reading) for reading in (Reading(1, 1), Reading(-5, 30)))
    return one[: next(index for index, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1])]


def stream_of(model, tokenizer, rows, seed=0, drafts=None):
    merged = merged_copy(model)
    stops = stop_ids(merged, tokenizer)
    return Stream(
        merged,
        tokenizer,
        prefix_of(tokenizer),
        stops=stops,
        max_new_tokens=LENGTH,
        rows=rows,
        seed=seed,
        drafts=drafts,
    )


def run(stream, wanted, together):
    """Let ``together`` answers join at every step that has room for them."""
    waiting = list(wanted)
    while waiting or stream.working:
        count = min(together, stream.free, len(waiting))
        stream.advance(waiting[:count])
        del waiting[:count]


def wanted_of(tokenizer, temperature=0.0):
    return [Wanted(prompt_ids(tokenizer, reading), temperature) for reading in READINGS]


def texts(tokenizer, wanted):
    return [
        tokenizer.decode(each.tokens[:-1] if each.finished else each.tokens, skip_special_tokens=True)
        for each in wanted
    ]


def expected_of(model, tokenizer):
    answers = generate_notices(model, tokenizer, READINGS, max_new_tokens=LENGTH)
    assert len({answer.tokens for [answer] in answers}) > 2, "answers must end at different steps"
    return [answer.text for [answer] in answers]


@pytest.mark.parametrize(("rows", "together"), [(1, 1), (4, 1), (4, 3), (64, 64)])
def test_greedy_answers_do_not_depend_on_who_joins_when(model, tokenizer, rows, together):
    wanted = wanted_of(tokenizer)
    run(stream_of(model, tokenizer, rows), wanted, together)
    assert texts(tokenizer, wanted) == expected_of(model, tokenizer)


def passes_of(stream, wanted, together):
    """Tokens of each row in every pass that the answers take after they joined."""
    passes, step = [], stream._step
    stream._step = lambda slots, tokens: passes.append([len(row) for row in tokens]) or step(slots, tokens)
    run(stream, wanted, together)
    return passes


@pytest.mark.parametrize(("rows", "together", "window"), [(1, 1, 75), (4, 3, 5), (3, 3, 512)])
def test_guesses_change_no_answer(model, tokenizer, rows, together, window):
    set_window(model, window)

    def mixed():
        every = [*wanted_of(tokenizer), *wanted_of(tokenizer, 0.5), *wanted_of(tokenizer, 1.5)]
        for each in every[::2]:
            each.figure = "7"
        return every

    plain, guessed, again = mixed(), mixed(), mixed()
    without = passes_of(stream_of(model, tokenizer, rows), plain, together)
    drafts = Drafts()
    first = passes_of(stream_of(model, tokenizer, rows, drafts=drafts), guessed, together)
    second = passes_of(stream_of(model, tokenizer, rows, drafts=drafts), again, together)
    assert [each.tokens for each in guessed] == [each.tokens for each in plain]
    assert [each.tokens for each in again] == [each.tokens for each in plain]
    assert {count for counts in without for count in counts} == {1}
    assert max(map(max, second)) > 1
    assert any(len(set(counts)) > 1 for counts in second) == (rows > 1), "rows must differ in how much is guessed"
    assert len(second) < len(first) < len(without)
    if rows == 1:  # most is known by now; another answer may have spoilt a context in between
        assert len(second) < 0.6 * len(without)


class Wrong(Drafts):
    """Is sure of what will not come."""

    def guess(self, tokens, number=(), banned=()):
        return [Guess((tokens[-1] + 1 + ahead) % 100, 1.0) for ahead in range(MOST)]


@pytest.mark.parametrize(("rows", "most"), [(1, 1 + MOST), (4, 32), (40, 40)])
def test_guesses_take_the_places_that_are_left(model, tokenizer, rows, most):
    passes = passes_of(
        stream_of(model, tokenizer, rows, drafts=Wrong()),
        [*wanted_of(tokenizer), *wanted_of(tokenizer), *wanted_of(tokenizer)],
        rows,
    )
    assert max(map(sum, passes)) == most
    assert max(map(max, passes)) <= 1 + MOST


def test_a_wrong_guess_changes_no_answer(model, tokenizer):
    plain, guessed = wanted_of(tokenizer, 1.0), wanted_of(tokenizer, 1.0)
    run(stream_of(model, tokenizer, 3), plain, 3)
    run(stream_of(model, tokenizer, 3, drafts=Wrong()), guessed, 3)
    assert [each.tokens for each in guessed] == [each.tokens for each in plain]


def test_a_prompt_is_computed_once(model, tokenizer, monkeypatch):
    stream, read = stream_of(model, tokenizer, 3), []
    inner = stream._pass
    monkeypatch.setattr(
        stream,
        "_pass",
        lambda work, *rest: read.append(len(rest[0][0]) * isinstance(work, Joining)) or inner(work, *rest),
    )
    monkeypatch.setattr("models.decode.stream._PROMPTS", 4)
    wanted, expected = wanted_of(tokenizer)[:5], expected_of(model, tokenizer)
    for answers in ([wanted[0], *wanted_of(tokenizer)[:2]], [wanted[1]], wanted[2:]):
        run(stream, answers, 3)
    assert sum(map(bool, read)) == 2, "two readings in one pass, the second again in none, three in one"
    assert texts(tokenizer, wanted) == expected[:5]
    assert len(stream._prompts) == 4
    again = [wanted_of(tokenizer)[index] for index in (4, 0)]
    read.clear()
    run(stream, again, 1)
    assert sum(map(bool, read)) == 1, "the first is forgotten"
    assert texts(tokenizer, again) == [expected[4], expected[0]]


@pytest.mark.parametrize("window", [5, 70, 75])
def test_with_a_sliding_window_shorter_than_the_prompt(model, tokenizer, window):
    set_window(model, window)
    wanted = wanted_of(tokenizer)
    run(stream_of(model, tokenizer, 4), wanted, 2)
    assert texts(tokenizer, wanted) == expected_of(model, tokenizer)


@pytest.mark.parametrize("window", [5, 75, 512])
def test_the_lean_body_gives_the_models_own_answers(model, tokenizer, window):
    set_window(model, window)
    with torch.no_grad():  # norms that are not all one
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter += 0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(len(name)))
    merged = merged_copy(model)
    assert can_be_lean(merged)
    stream = Stream(
        merged,
        tokenizer,
        prefix_of(tokenizer),
        stops=stop_ids(merged, tokenizer),
        max_new_tokens=LENGTH,
        rows=4,
        body=LeanBody(merged, torch.float32),
    )
    wanted = wanted_of(tokenizer)
    run(stream, wanted, 2)
    expected = [answer.text for [answer] in generate_notices(model, tokenizer, READINGS, max_new_tokens=LENGTH)]
    assert texts(tokenizer, wanted) == expected
    assert len(set(expected)) > 5


def test_only_gemma_3_in_float32_can_be_lean(tokenizer):
    model = tiny_model(len(tokenizer))
    assert can_be_lean(model)
    assert not can_be_lean(tiny_model(len(tokenizer)).to(torch.bfloat16))
    model.config.attn_logit_softcapping = 30.0
    assert not can_be_lean(model)


def test_greedy_and_sampled_answers_side_by_side(model, tokenizer):
    greedy, hot = wanted_of(tokenizer), wanted_of(tokenizer, 1.5)
    run(stream_of(model, tokenizer, 8), [each for pair in zip(greedy, hot, strict=True) for each in pair], 3)
    assert texts(tokenizer, greedy) == expected_of(model, tokenizer)
    assert sum(a != b for a, b in zip(texts(tokenizer, greedy), texts(tokenizer, hot), strict=True)) > 10


def test_a_low_temperature_samples_what_greedy_takes(model, tokenizer):
    cold = wanted_of(tokenizer, 1e-4)
    run(stream_of(model, tokenizer, 8), cold, 3)
    assert texts(tokenizer, cold) == expected_of(model, tokenizer)


def test_samples_follow_the_seed(model, tokenizer):
    def sampled(seed):
        wanted = wanted_of(tokenizer, 1.0)
        run(stream_of(model, tokenizer, 8, seed), wanted, 8)
        return texts(tokenizer, wanted)

    assert sampled(1) == sampled(1)
    assert sampled(1) != sampled(2)
    assert sampled(None) != sampled(None)


def test_an_answer_that_leaves_makes_room_and_disturbs_nobody(model, tokenizer):
    stream, expected = stream_of(model, tokenizer, 3), expected_of(model, tokenizer)
    kept = max(range(len(READINGS)), key=lambda index: len(expected[index]))
    wanted = wanted_of(tokenizer)
    others = [each for index, each in enumerate(wanted) if index != kept]
    stream.advance([others[0], wanted[kept], others[1]])
    stream.leave([others[0]])
    assert stream.free >= 1
    run(stream, others[2:], 1)
    assert texts(tokenizer, wanted)[kept] == expected[kept]


def test_a_cut_head(model, tokenizer):
    cut_vocabulary(model, task_words(tokenizer, []))
    wanted = wanted_of(tokenizer)
    run(stream_of(model, tokenizer, 8), wanted, 4)
    answers = generate_notices(model, tokenizer, READINGS, max_new_tokens=LENGTH)
    assert texts(tokenizer, wanted) == [answer.text for [answer] in answers]


def test_too_many_or_wrong_prompts_are_refused(model, tokenizer):
    stream, wanted = stream_of(model, tokenizer, 2), wanted_of(tokenizer)
    with pytest.raises(ValueError, match="3 answers cannot join where 2 rows are free"):
        stream.advance(wanted[:3])
    with pytest.raises(ValueError, match="prefix"):
        stream.advance([Wanted([1, 2, 3], 0.0)])


def test_half_precision_layers_are_near_and_the_head_stays(model, tokenizer):
    merged = merged_copy(model)
    ids = torch.tensor([prompt_ids(tokenizer, READINGS[0])])
    with torch.inference_mode():
        exact = merged(input_ids=ids).logits
        use_half(merged)
        rounded = merged(input_ids=ids).logits
    error = (rounded - exact).norm() / exact.norm()
    assert 0 < error < 0.1
    assert isinstance(merged.lm_head, torch.nn.Linear)
    assert not [name for name, part in merged.base_model.named_modules() if isinstance(part, torch.nn.Linear)]


def test_half_precision_is_for_float32(tokenizer):
    with pytest.raises(ValueError, match="float32"):
        use_half(tiny_model(len(tokenizer)).to(torch.bfloat16))
