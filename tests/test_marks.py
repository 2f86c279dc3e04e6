"""The table of what was seen: it answers as a dict does, and takes few bytes an entry."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from pipeline.marks import Marks

NUMBERS = st.integers(1, 255)
PUTS = st.lists(st.tuples(st.text(max_size=3), NUMBERS)) | st.lists(st.tuples(st.integers(0, 1 << 60), NUMBERS))


@given(PUTS)
def test_it_answers_as_a_dict_does(puts: list[tuple[str | int, int]]) -> None:
    marks, known = Marks(), dict[str | int, int]()
    for key, value in puts:
        assert marks.get(key) == known.get(key, 0)
        assert marks.put(key, value) == known.get(key, 0)
        known[key] = value
        assert len(marks) == len(known)
    assert all(key in marks and marks.get(key) == value for key, value in known.items())


def test_27_bytes_each_and_none_is_lost() -> None:
    count = 25_000  # its table is as full as one of 100,000
    for keys in (range(count), range(0, count << 20, 1 << 20), map(str, range(count))):
        tracemalloc.start()
        marks = Marks(keys)
        size, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(marks) == count
        assert size <= 27 * count + 2000
        assert peak <= 60 * count, "with the table that it grew out of"
    assert all(str(number) in marks for number in range(count))
    assert not any(str(number) in marks for number in range(count, 2 * count))
    assert not marks.add("7")
    assert marks.add("new")
