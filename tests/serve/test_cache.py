import asyncio

from serve.cache import Cache


def run(scenario):
    return asyncio.run(scenario())


def maker(values):
    made = []

    async def make():
        await asyncio.sleep(0)
        made.append(len(made))
        return values[len(made) - 1]

    return make, made


def test_made_once_and_kept():
    async def scenario():
        cache, (make, made) = Cache(2, bool), maker(["a", "b"])
        assert [await cache.get(1, make) for _ in range(3)] == ["a"] * 3
        assert len(made) == 1

    run(scenario)


def test_the_least_recently_used_goes_first():
    async def scenario():
        cache, (make, _) = Cache(2, bool), maker(["a", "b", "c"])
        await cache.get(1, make)
        await cache.get(2, make)
        assert cache.kept(1) == "a"
        await cache.get(3, make)
        assert (cache.kept(1), cache.kept(2), cache.kept(3), len(cache)) == ("a", None, "c", 2)

    run(scenario)


def test_what_is_not_worth_keeping_is_made_again():
    async def scenario():
        cache, (make, made) = Cache(2, lambda value: value == "good"), maker(["bad", "good"])
        assert [await cache.get(1, make) for _ in range(3)] == ["bad", "good", "good"]
        assert len(made) == 2

    run(scenario)


def test_no_room_keeps_nothing():
    async def scenario():
        cache, (make, _) = Cache(0, bool), maker(["a", "b"])
        assert [await cache.get(1, make) for _ in range(2)] == ["a", "b"]

    run(scenario)


def test_those_who_ask_at_once_wait_for_one_answer():
    async def scenario():
        cache, (make, made) = Cache(2, bool), maker(["a", "b"])
        assert await asyncio.gather(*(cache.get(1, make) for _ in range(5))) == ["a"] * 5
        assert len(made) == 1

    run(scenario)


def test_one_who_gives_up_does_not_take_the_answer_from_the_others():
    async def scenario():
        cache, (make, made) = Cache(2, bool), maker(["a", "b"])
        first, second = (asyncio.create_task(cache.get(1, make)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == "a"
        assert len(made) == 1

    run(scenario)


def test_the_work_stops_when_all_gave_up():
    async def scenario():
        cache, stopped = Cache(2, bool), []

        async def make():
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                stopped.append(True)
                raise

        waiting = [asyncio.create_task(cache.get(1, make)) for _ in range(2)]
        await asyncio.sleep(0.01)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.sleep(0)
        assert stopped == [True]
        again, _ = maker(["b"])
        assert await cache.get(1, again) == "b"

    run(scenario)


def test_an_error_reaches_everyone_and_is_not_kept():
    async def scenario():
        cache = Cache(2, bool)

        async def fail():
            await asyncio.sleep(0)
            raise ValueError("no")

        results = await asyncio.gather(*(cache.get(1, fail) for _ in range(2)), return_exceptions=True)
        assert [str(result) for result in results] == ["no", "no"]
        again, _ = maker(["b"])
        assert await cache.get(1, again) == "b"

    run(scenario)
