"""samples.jsonl followed: whole rows only, each once, from any place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipeline.store.samples import to_row
from pipeline.store.tail import tail
from pipeline.types import Sample


def line(number: int) -> bytes:
    row = to_row(Sample(id=str(number), messages=[{"role": "assistant", "content": "é" * number}]))
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def steps(path: Path, chunks: list[bytes]) -> Callable[[], bool]:
    """Appends one chunk per wait, then ends."""
    left = iter(chunks)

    def wait() -> bool:
        chunk = next(left, None)
        if chunk is not None:
            with path.open("ab") as file:
                file.write(chunk)
        return chunk is not None

    return wait


@given(st.integers(0, 6), st.integers(0, 8), st.lists(st.integers(1, 400), max_size=8))
def test_rows_come_once_and_whole_however_they_are_cut(
    tmp_path_factory: object, before: int, last: int, cuts: list[int]
) -> None:
    path = tmp_path_factory.mktemp("tail") / "samples.jsonl"  # type: ignore[attr-defined]
    if before:
        path.write_bytes(b"".join(map(line, range(before))))
    coming = b"".join(map(line, range(before, before + 4)))
    chunks, position = [], 0
    for cut in cuts:
        chunks.append(coming[position : position + cut])
        position += cut
    chunks.append(coming[position:])
    seen = [int(sample.id) for sample in tail(path, steps(path, chunks), last=last)]
    assert seen == list(range(max(0, before - last), before + 4))


def test_lines_that_are_no_rows_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    chunks = [b"not json\n", b"[1]\n", b'{"messages": 3}\n', b"\n", line(1)]
    assert [sample.id for sample in tail(path, steps(path, chunks))] == ["1"]


def test_a_file_made_shorter_is_followed_from_its_new_end(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(line(0) + line(1))
    turn = iter(range(4))

    def wait() -> bool:
        match next(turn):
            case 0:
                path.write_bytes(line(0))
            case 1:
                path.write_bytes(line(0) + line(2))
            case 3:
                return False
        return True

    assert [sample.id for sample in tail(path, wait)] == ["2"]
