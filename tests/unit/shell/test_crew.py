"""The tasks of a process end together, also where a library loses their cancellation."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from hedge.daemon.tasks import Crew


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


async def deaf(times: int) -> None:
    """Work on through the first `times` cancellations, as asyncio.wait_for may make one do."""
    for _ in range(times):
        try:
            await forever()
        except asyncio.CancelledError:
            continue
    await forever()


async def failing() -> None:
    raise ValueError("a bug")


async def fail_beside(crew: Crew, work: Coroutine[Any, Any, None]) -> None:
    """Let a task fail while another does its work."""
    async with crew:
        crew.spawn("work", work)
        await asyncio.sleep(0)
        crew.spawn("bug", failing())
        await forever()


@pytest.mark.parametrize("times", [0, 1, 2])
async def test_the_end_of_the_block_ends_all(times: int) -> None:
    """Whoever does not obey at once is told again."""
    async with Crew(again_s=0.01) as crew:
        tasks = [crew.spawn("a", forever()), crew.spawn("b", deaf(times))]
        await asyncio.sleep(0)
        assert not crew.is_over
    assert crew.is_over
    assert all(task.cancelled() for task in tasks)


@pytest.mark.parametrize("times", [0, 1, 2])
async def test_a_failure_ends_all(times: int) -> None:
    """The failure comes out, and is not kept back by a task that does not obey."""
    with pytest.raises(ExceptionGroup) as caught:
        await fail_beside(Crew(again_s=0.01), deaf(times))
    assert caught.group_contains(ValueError, match="a bug")


async def test_nothing_is_decided_after_a_failure() -> None:
    """It is known as over before any other task runs again."""
    crew, seen = Crew(), list[bool]()

    async def cleaning() -> None:
        try:
            await forever()
        finally:
            seen.append(crew.is_over)

    with pytest.raises(ExceptionGroup):
        await fail_beside(crew, cleaning())
    assert seen == [True]


async def test_a_task_tidies_up_undisturbed() -> None:
    """What a task does while it ends is not cut off by a second word at once."""
    tidied = asyncio.Event()

    async def tidy() -> None:
        try:
            await forever()
        finally:
            for _ in range(20):
                await asyncio.sleep(0)
            tidied.set()

    with pytest.raises(ExceptionGroup):
        await fail_beside(Crew(), tidy())
    assert tidied.is_set()
    tidied.clear()
    async with Crew() as crew:
        crew.spawn("tidy", tidy())
        await asyncio.sleep(0)
    assert tidied.is_set()


async def test_a_run_that_is_called_off_ends_all() -> None:
    """Cancelled from outside, the crew ends before the cancellation goes on."""
    crew = Crew(again_s=0.01)

    async def block() -> None:
        async with crew:
            crew.spawn("deaf", deaf(1))
            await forever()

    run = asyncio.create_task(block())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    run.cancel()
    await asyncio.wait({run})
    assert run.cancelled()
    assert crew.is_over


async def test_nothing_begins_once_all_is_over() -> None:
    """What a task starts while it ends is not begun, and hides no failure."""
    crew = Crew()
    begun: list[str] = []

    async def beginning() -> None:
        begun.append("begun")

    async def late() -> None:
        try:
            await forever()
        finally:
            await asyncio.wait({crew.spawn("late", beginning())})
            begun.append("ended")

    with pytest.raises(ExceptionGroup) as caught:
        await fail_beside(crew, late())
    assert begun == ["ended"]
    assert len(caught.value.exceptions) == 1
