"""Slots go to waiters by rank and arrival, and none is ever lost."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from catalog.download.priority_semaphore import PrioritySemaphore


def served(num_slots: int, ranks: list[int]) -> tuple[list[int], int]:
    """The visitors in the order in which they got a slot, and the most that were inside at once."""

    async def run() -> tuple[list[int], int]:
        semaphore, order, inside, most = PrioritySemaphore(num_slots), [], 0, 0

        async def visit(index: int) -> None:
            nonlocal inside, most
            async with semaphore.slot(ranks[index]):
                order.append(index)
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*map(visit, range(len(ranks))))
        return order, most

    return asyncio.run(run())


@given(st.integers(1, 4), st.lists(st.integers(0, 3), min_size=1, max_size=20))
def test_lowest_rank_goes_first_and_never_too_many(num_slots: int, ranks: list[int]) -> None:
    order, most = served(num_slots, ranks)
    at_once, waiting = list(range(len(ranks)))[:num_slots], list(range(len(ranks)))[num_slots:]
    assert order == at_once + sorted(waiting, key=lambda index: (ranks[index], index))
    assert most == min(num_slots, len(ranks))


def test_cancelled_waiter_takes_no_slot_along() -> None:
    async def run() -> int:
        semaphore, num_served = PrioritySemaphore(1), 0

        async def visit() -> None:
            nonlocal num_served
            async with semaphore.slot(0):
                await asyncio.sleep(0)
                num_served += 1

        for delay in range(8):  # canceled while waiting, at the very moment of its turn, and inside
            visitors = [asyncio.create_task(visit()) for _ in range(4)]
            for _ in range(delay):
                await asyncio.sleep(0)
            visitors[1].cancel()
            visitors[2].cancel()
            await asyncio.gather(*visitors, return_exceptions=True)
        async with asyncio.timeout(1):
            await visit()
        return num_served

    assert asyncio.run(run()) >= 8 * 2 + 1
