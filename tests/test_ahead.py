"""Work in several threads."""

from __future__ import annotations

import threading

import pytest

from pipeline.ahead import in_order


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 10])
def test_results_come_in_the_order_of_items(threads: int, count: int) -> None:
    assert list(in_order(lambda each: each + 1, iter(range(count)), threads)) == list(range(1, count + 1))


def test_as_many_are_worked_on_at_once_as_there_are_threads() -> None:
    together = threading.Barrier(3, timeout=10)
    assert list(in_order(lambda _: together.wait() >= 0, range(6), 3)) == [True] * 6


def test_items_are_read_in_the_thread_of_the_caller_and_errors_are_raised_there() -> None:
    read, before = [], threading.active_count()

    def items() -> object:
        for each in range(5):
            read.append(threading.current_thread() is threading.main_thread())
            yield each

    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda each: 1 / (3 - each), items(), 2))  # type: ignore[arg-type]
    assert read == [True] * 4
    assert threading.active_count() == before, "none is left"
