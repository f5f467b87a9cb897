"""The local engine on ``tiny-random``: requests share a batch, come and go, and get what they would get alone."""

import asyncio
import os
import threading

import pytest
import torch

from data.reading import Reading
from models.decode import Wanted
from models.generate import generate_notices
from models.load import ModelSpec, load_base
from models.runs import RunError
from rewards.sofar import goes_wrong, too_long
from serve.batch import ClosedBatch, PromptWriter, open_batch
from serve.choose import Chosen
from serve.engine import EngineError, GivenUp
from serve.local import LocalEngine, Work, local_engine
from serve.settings import Settings

READINGS = [Reading(10, 20), Reading(-5, 8), Reading(30, 30), Reading(-60, 60), Reading(7, -13)]
LENGTH = 12


@pytest.fixture(scope="module")
def chosen():
    loaded = load_base(ModelSpec("tiny-random"))
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():  # sharper logits: half precision then takes the same words
        for parameter in loaded.model.parameters():
            if parameter.ndim == 2 and parameter.shape != loaded.model.lm_head.weight.shape:
                parameter += 0.4 * torch.randn(parameter.shape, generator=generator)
    return Chosen(loaded.model.float(), loaded.tokenizer, "tiny-random", None)


@pytest.fixture
def engine_of(chosen):
    def make(**settings):
        settings = {"max_new_tokens": LENGTH, "batch_rows": 4, "give_up": False, **settings}
        return local_engine(Settings(**settings), lambda _: chosen)

    return make


def run(engine, scenario):
    async def whole():
        try:
            return await scenario()
        finally:
            await engine.close()

    return asyncio.run(whole())


def test_many_at_once_get_what_each_would_get_alone(engine_of):
    def alone():
        engine = engine_of()

        async def scenario():
            return [(await engine.generate(reading, 0.0, 1))[0] for reading in READINGS]

        return run(engine, scenario)

    engine = engine_of()

    async def scenario():
        asked = [engine.generate(reading, heat, 1) for reading in READINGS for heat in (0.0, 1.3)]
        return await asyncio.gather(*asked)

    together = [texts[0] for texts in run(engine, scenario)]
    assert together[::2] == alone()
    assert len(set(together[::2])) == len(READINGS)
    assert together[1::2] != together[::2]


def test_several_answers_of_one_request(engine_of):
    engine = engine_of()

    async def scenario():
        return await engine.generate(READINGS[0], 0.0, 3), await engine.generate(READINGS[0], 1.5, 6)

    greedy, sampled = run(engine, scenario)
    assert (len(greedy), len(set(greedy))) == (3, 1)
    assert len(sampled) == 6
    assert len(set(sampled)) > 3


def test_few_kernels_are_kept_unless_the_environment_says_otherwise(monkeypatch):
    """Set before anything is computed: with 1,024 kernels for past shapes each, memory grows by hundreds of MB."""
    monkeypatch.setenv("LRU_CACHE_CAPACITY", "")  # so that it is put back
    monkeypatch.delenv("LRU_CACHE_CAPACITY")
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "7")

    def choose(settings):
        kept = os.environ["LRU_CACHE_CAPACITY"], os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"]
        raise RunError(" ".join(kept))

    with pytest.raises(RunError, match=r"^64 7$"):
        local_engine(Settings(), choose)


def test_a_first_answer_is_given_up_at_the_word_where_it_goes_wrong(engine_of):
    def answers(**settings):
        engine = engine_of(max_new_tokens=40, **settings)

        async def scenario():
            return [(await engine.generate(reading, 0.0, 1))[0] for reading in READINGS]

        return run(engine, scenario)

    given_up, whole = answers(give_up=True), answers()
    assert all(type(text) is str for text in whole)
    assert sum(isinstance(text, GivenUp) for text in given_up) > len(READINGS) // 2
    for text, longer, reading in zip(given_up, whole, READINGS, strict=True):
        assert longer.startswith(text)
        if isinstance(text, GivenUp):
            assert text != longer
            assert goes_wrong(text, reading.yesterday, reading.today) or too_long(text)
            before = text.rpartition(" ")[0]
            assert not goes_wrong(before, reading.yesterday, reading.today)


def test_held_answers_go_to_the_batch_with_their_figure(slow):
    """The change; without a change, today's temperature."""
    batch, engine = slow(rows=4)

    async def scenario():
        asked = [
            asyncio.create_task(engine.generate(Reading(10, 3), 1.0, 1, held=True)),
            asyncio.create_task(engine.generate(Reading(-8, -8), 1.0, 1, held=True)),
            asyncio.create_task(engine.generate(Reading(10, 3), 1.0, 1)),
        ]
        for _ in range(5):
            batch.go.release()
        await asyncio.gather(*asked)

    run(engine, scenario)
    assert batch.figures == {(3, None), (3, "7"), (-8, "8")}
    assert batch.looks == {(3, "stop"), (3, "turn"), (-8, "turn")}
    assert batch.ends == batch.looks, "one that would end too short goes on, too"


def test_what_cannot_be_loaded_is_said_where_the_engine_is_made():
    def fail(settings):
        raise RunError("no finished run")

    with pytest.raises(RunError, match="no finished run"):
        local_engine(Settings(), fail)


class Slow:
    """A batch whose answers take ``steps`` calls, and which tells who took part."""

    def __init__(self, rows, steps):
        self._rows, self._steps = rows, steps
        self._left: dict[Wanted, int] = {}
        self.joined: list[list[int]] = []
        self.figures: set[tuple[int, str | None]] = set()
        self.looks: set[tuple[int, str | None]] = set()
        self.ends: set[tuple[int, str | None]] = set()
        self.go = threading.Semaphore(0)
        self.fails = False

    @property
    def free(self):
        return self._rows - len(self._left)

    @property
    def working(self):
        return tuple(self._left)

    def advance(self, joining=()):
        if joining:
            self.joined.append([wanted.prompt for wanted in joining])
            self.figures |= {(wanted.prompt, wanted.figure) for wanted in joining}
            self.looks |= {(wanted.prompt, wanted.look("오늘은 9도 올라", False)) for wanted in joining}
            self.ends |= {(wanted.prompt, wanted.look("공원으로 나오세요.", True)) for wanted in joining}
            assert not any(wanted.look("공원으로 나오세요.", False) for wanted in joining)
        self.go.acquire(timeout=20)
        if self.fails:
            raise RuntimeError("no memory")
        self._left |= dict.fromkeys(joining, self._steps)
        for wanted in self._left:
            self._left[wanted] -= 1
        done = [wanted for wanted, left in self._left.items() if left <= 0]
        self.leave(done)
        return done

    def leave(self, leaving):
        for wanted in leaving:
            self._left.pop(wanted, None)


class Today:
    """Writes the prompt as today's temperature alone."""

    def __call__(self, reading):
        return reading.today


class Words:
    def decode(self, tokens, skip_special_tokens):
        return "answer"


@pytest.fixture
def slow():
    def make(rows=2, steps=1):
        batch = Slow(rows, steps)
        return batch, LocalEngine(lambda: Work(batch, Today(), Words(), "slow", None))

    return make


async def until(condition):
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came to that")


def test_first_answers_go_before_second_ones(slow):
    """Two readings with three answers each, two rows: first both first answers, then both second ones."""
    batch, engine = slow(rows=2)

    async def scenario():
        holding = asyncio.create_task(engine.generate(Reading(0, 99), 1.0, 1))
        await until(lambda: batch.joined == [[99]])
        asked = [asyncio.create_task(engine.generate(Reading(0, today), 1.0, 1)) for today in [1, 1, 1, 2, 2, 2]]
        await asyncio.sleep(0)
        for _ in range(10):
            batch.go.release()
        await asyncio.gather(holding, *asked)

    run(engine, scenario)
    assert batch.joined == [[99], [1, 2], [1, 2], [1, 2]]


def test_a_first_answer_takes_the_place_of_a_later_one_at_work(slow):
    """Two rows hold reading 1's first and second answer; reading 2's first one pushes out the second."""
    batch, engine = slow(rows=2, steps=3)

    async def scenario():
        asked = [asyncio.create_task(engine.generate(Reading(0, 1), 1.0, 2))]
        await until(lambda: batch.joined == [[1, 1]])
        asked.append(asyncio.create_task(engine.generate(Reading(0, 2), 1.0, 1)))
        await asyncio.sleep(0)
        for _ in range(20):
            batch.go.release()
        assert await asyncio.gather(*asked) == [["answer"] * 2, ["answer"]]

    run(engine, scenario)
    assert batch.joined == [[1, 1], [2], [1]]


def test_what_is_given_up_leaves_the_batch_and_the_queue(slow):
    batch, engine = slow(rows=1, steps=1000)

    async def scenario():
        working = asyncio.create_task(engine.generate(Reading(0, 1), 0.0, 1))
        await until(lambda: not engine._waiting)
        waiting = asyncio.create_task(engine.generate(Reading(0, 2), 0.0, 1))
        await asyncio.sleep(0)
        batch.go.release()
        await until(lambda: batch.joined == [[1]])
        for task in (working, waiting):
            task.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)
        batch.go.release()
        await until(lambda: not batch.working and not engine._waiting)
        assert not engine._asked
        last = asyncio.create_task(engine.generate(Reading(0, 3), 0.0, 1))
        for _ in range(1002):
            batch.go.release()
        assert await last == ["answer"]
        assert batch.joined == [[1], [3]]

    run(engine, scenario)


def test_closing_tells_those_who_wait(slow):
    batch, engine = slow(rows=1, steps=1000)

    async def scenario():
        asked = [asyncio.create_task(engine.generate(Reading(0, today), 0.0, 1)) for today in (1, 2)]
        await until(lambda: engine._asked)
        closing = asyncio.create_task(engine.close())
        await asyncio.sleep(0.01)
        batch.go.release()
        await closing
        for result in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(result, EngineError)
            assert "shutting down" in str(result)
        with pytest.raises(EngineError, match="shutting down"):
            await engine.generate(Reading(0, 3), 0.0, 1)

    asyncio.run(scenario())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_model_that_fails_is_an_engine_error_from_then_on(slow):
    batch, engine = slow()
    batch.fails = True

    async def scenario():
        batch.go.release()
        for _ in range(2):
            with pytest.raises(EngineError, match="no memory"):
                await engine.generate(Reading(0, 1), 0.0, 1)

    asyncio.run(scenario())


@pytest.mark.parametrize("chat", [True, False])
def test_every_reading_begins_with_the_prefix_and_goes_on_behind_it(chosen, chat):
    prompt = PromptWriter(chosen.tokenizer, chat)
    assert len(prompt.prefix) > 20
    for yesterday in range(-60, 61):
        tokens = prompt(Reading(yesterday, 7))
        assert tokens[: len(prompt.prefix)] == prompt.prefix
        assert len(tokens) > len(prompt.prefix)


def test_the_bare_text_has_no_turns(chosen):
    bare, chat = (chosen.tokenizer.decode(PromptWriter(chosen.tokenizer, chat)(READINGS[0])) for chat in (False, True))
    assert "start_of_turn" in chat
    assert "start_of_turn" not in bare
    assert bare.endswith("어제 10도, 오늘 20도\n")


def test_a_closed_batch_gives_the_answers_of_transformers(chosen):
    """What quantised models go through, here with one that is not."""
    prompt = PromptWriter(chosen.tokenizer, True)
    expected = generate_notices(chosen.model, chosen.tokenizer, READINGS, max_new_tokens=LENGTH)
    batch = ClosedBatch(chosen.model, [5], LENGTH, 8)
    engine = LocalEngine(lambda: Work(batch, prompt, chosen.tokenizer, "tiny", None))

    async def scenario():
        asked = [engine.generate(reading, heat, 1) for reading in READINGS for heat in (0.0, 1.3)]
        return await asyncio.gather(*asked)

    texts = [texts[0] for texts in run(engine, scenario)]
    assert texts[::2] == [answer.text for [answer] in expected]
    assert texts[1::2] != texts[::2]


def test_a_model_that_cannot_share_is_decoded_in_closed_batches_and_says_so(chosen, capsys):
    model = load_base(ModelSpec("tiny-random")).model
    model.set_attn_implementation("eager")
    eager = Chosen(model, chosen.tokenizer, "tiny", None)
    batch = open_batch(eager, PromptWriter(chosen.tokenizer, True), max_new_tokens=4, rows=2)
    assert isinstance(batch, ClosedBatch)
    assert "slower" in capsys.readouterr().err
