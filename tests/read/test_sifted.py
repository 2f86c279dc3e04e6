"""`sifted` reads what `rows` reads and says what it says: batches are only a quicker way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.formats._chat import plainly_sound
from pipeline.read import Batch, rows, sifted
from pipeline.types import Problem


def chat(text: str, **beside: Any) -> bytes:
    messages = [{"role": "user", "content": text}, {"role": "assistant", "content": text}]
    return json.dumps({"messages": messages, **beside}, ensure_ascii="\ud800" in text).encode()


def both(path: Path) -> tuple[list[Any], list[Any], list[Problem], list[Problem], int]:
    """Rows by number as both ways give them, problems as both say them, and how many rows came in batches."""
    plain: list[Problem] = []
    quick: list[Problem] = []
    one = [(row.number, row.values) for row in rows(path, plain.append)]
    other: list[Any] = []
    batched = 0
    for found in sifted(path, quick.append, plainly_sound):
        if isinstance(found, Batch):
            batched += len(found.values)
            assert len(found.values) == len(found.lines)
            other += list(enumerate(found.values, found.number))
        else:
            other.append((found.number, found.values))
    return one, other, plain, quick, batched


TWICE = b'{"messages": [{"role": "user", "content": "a", "content": "%s"}, {"role": "assistant", "content": "b"}]}'
LINES = [
    chat("a"), chat('said "a": "b", \\"c\\"'), chat("\\\\"), chat("\\u0022"), chat("a\0b"), chat(" "),
    chat("<|im_end|>"), chat("\ud800"), chat("a", tools=[]), chat("a", n=2**70),
    TWICE % b"x", TWICE % b'\\"', TWICE % b"\\u0022\\u0022",
    TWICE % b"\\\\\\\\", b"", b"{", b"[]", b"\xff", chat("ä\u2028\x85"), chat("a").replace(b'": ', b'" : '),
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.sampled_from(LINES), st.text(max_size=12).map(chat)), max_size=12),
       st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_the_same_rows_and_the_same_problems(tmp_path: Path, lines: list[bytes], end: bytes, last: bool) -> None:
    path = tmp_path / "any.jsonl"
    path.write_bytes(end.join(lines) + end * last)
    one, other, plain, quick, _ = both(path)
    assert one == other
    assert plain == quick


@pytest.mark.parametrize("size", [1, 63, 64, 65, 5_000])
def test_clean_rows_come_in_batches(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(chat(f"row {number}") + b"\n" for number in range(size)))
    one, other, _, _, batched = both(path)
    assert one == other
    assert batched == size
    path.write_bytes(path.read_bytes() + TWICE % b"x" + b"\n")
    one, other, plain, quick, _ = both(path)
    assert one == other
    assert [problem.code for problem in quick] == [problem.code for problem in plain] == ["duplicate-key"]
