"""Work on arrays that goes on while the next is read: numpy lets go of the interpreter, so threads use further cores."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(work: Callable[[Item], Made], items: Iterable[Item], threads: int | None = None) -> Iterator[Made]:
    """What `work` makes of each item, in their order.

    Args:
        work: what threads may do at the same time.
        items: read here, a few ahead of what is taken.
        threads: as many as cores where None.
    """
    left, threads = iter(items), threads or cores()
    first = list(islice(left, 2))
    if threads == 1 or len(first) < 2:
        yield from map(work, chain(first, left))
        return
    from concurrent.futures import Future, ThreadPoolExecutor

    with ThreadPoolExecutor(threads, thread_name_prefix="ahead") as pool:
        waiting: deque[Future[Made]] = deque()
        for item in chain(first, left):
            waiting.append(pool.submit(work, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
