"""Atomic files, sealed lines, our own JSONL: what is damaged shows, what is torn is passed over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.store.files import (
    append_lines,
    cut_torn_tail,
    jsonl_bytes,
    jsonl_reader,
    loads,
    sealed,
    unsealed,
    write_atomic,
)

TEXTS = st.text(st.characters(codec=None), max_size=40)  # lone surrogates and control characters included
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12,
)
EVENTS = st.dictionaries(TEXTS.filter(lambda key: key != "crc"), JSON, min_size=1, max_size=5)


@given(EVENTS)
def test_a_sealed_line_comes_back_whole(event: dict) -> None:
    line = sealed(event)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert {**event} == {k: v for k, v in (unsealed(line) or {}).items() if k != "crc"}
    assert unsealed(line[:-1] + b"\r\n") == unsealed(line), "git on Windows changed the line break"


@given(EVENTS, st.data())
def test_no_part_of_a_sealed_line_passes_for_one(event: dict, data: st.DataObject) -> None:
    line = sealed(event)
    cut = data.draw(st.integers(0, len(line) - 2))
    assert unsealed(line[:cut]) is None
    place = data.draw(st.integers(0, len(line) - 2))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != line[place]))
    changed = line[:place] + bytes([other]) + line[place + 1 :]
    assert unsealed(changed) is None or changed.rstrip(b"\r\n") == line.rstrip(b"\r\n")


def test_nesting_that_no_parser_takes_is_a_value_error() -> None:
    with pytest.raises(ValueError):
        loads(b"[" * 100_000)


@given(st.lists(EVENTS, max_size=6), st.binary(max_size=30).filter(lambda tail: b"\n" not in tail))
def test_our_jsonl_is_read_up_to_a_torn_line(tmp_path_factory: pytest.TempPathFactory, rows: list, tail: bytes) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "x.jsonl"
    path.write_bytes(b"".join(map(jsonl_bytes, rows)) + b'{"torn": "' + tail.replace(b'"', b""))
    assert list(jsonl_reader(path)) == rows


@pytest.mark.parametrize("line", [b"[1]", b"{", b"\xff\xfe", b"null", b'"text"'])
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "plan.jsonl"
    path.write_bytes(b'{"a":1}\n' + line + b'\n{"b":2}\n')
    with pytest.raises(DataError) as caught:
        list(jsonl_reader(path, "sed -i {line}d {path}"))
    assert f"{path}:2" in caught.value.message
    assert caught.value.hint == f"sed -i 2d {path}"


def test_no_file_has_no_rows(tmp_path: Path) -> None:
    assert list(jsonl_reader(tmp_path / "none.jsonl")) == []


@given(st.binary(max_size=200))
def test_a_torn_tail_is_cut_at_the_last_line_break(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("cut") / "x"
    path.write_bytes(data)
    cut = cut_torn_tail(path)
    kept = data[: data.rfind(b"\n") + 1]
    assert path.read_bytes() == kept
    assert cut == len(data) - len(kept)


def test_a_long_torn_tail_is_found_beyond_one_block(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"whole\n" + b"t" * 200_000)
    assert cut_torn_tail(path) == 200_000
    assert path.read_bytes() == b"whole\n"


def test_appending_goes_on_behind_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.jsonl"
    assert append_lines(path, [b"one\n", b"two\n"]) == 2
    path.write_bytes(path.read_bytes() + b"thr")
    append_lines(path, [b"three\n"])
    assert path.read_bytes() == b"one\ntwo\nthree\n"


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_atomic(path, b"old")

    def breaks() -> Iterator[bytes]:
        yield b"new"
        raise ValueError("in the middle")

    with pytest.raises(ValueError):
        write_atomic(path, breaks())
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"], "no half file is left"


def test_what_the_system_refuses_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="file"):
        write_atomic(tmp_path / "file" / "x", b"")
    if os.geteuid():  # root may write anywhere
        tmp_path.chmod(0o500)
        with pytest.raises(DataError) as caught:
            write_atomic(tmp_path / "y", b"")
        assert caught.value.hint.startswith("ls -ld")
