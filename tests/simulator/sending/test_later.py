"""What happens a little later: in the order in which it is due, at once if told to, and never after the end."""

import asyncio
from collections.abc import Sized

from hookline.simulator.later import Later


async def filled(done: Sized, count: int) -> None:
    """Wait until so many things are done, for as long as a busy machine may take."""
    async with asyncio.timeout(10):
        while len(done) < count:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def test_order() -> None:
    """What is due first comes first, whenever it was asked for."""
    later, done = Later(), list[str]()
    later.call(0.6, done.append, "third")
    later.call(0.2, done.append, "first")
    later.call(0.4, done.append, "second")
    later.call(0.4, done.append, "second, too")
    await filled(done, 4)
    assert done == ["first", "second", "second, too", "third"]


async def test_at_once() -> None:
    """Everything can be had now, and what comes of it too."""
    later, done = Later(), list[str]()
    later.call(60, later.call, 60, done.append, "what comes of it")
    later.run_all()
    assert done == ["what comes of it"]


async def test_a_failure_stops_nothing() -> None:
    """What fails does not take away the rest."""
    later, done = Later(), list[str]()
    loop = asyncio.get_running_loop()
    failures: list[object] = []
    loop.set_exception_handler(lambda _loop, context: failures.append(context["exception"]))
    later.call(0.01, int, "no number")
    later.call(0.02, done.append, "the rest")
    await filled(done, 1)
    assert done == ["the rest"]
    assert [type(failure) for failure in failures] == [ValueError]


async def test_end() -> None:
    """After the end nothing comes."""
    later, done = Later(), list[str]()
    later.call(0.01, done.append, "too late")
    later.close()
    await asyncio.sleep(0.03)
    assert done == []
