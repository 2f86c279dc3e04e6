"""`--fix`: what is certain is mended, lines that need nothing keep their bytes, and the original is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.export.check import check_file
from pipeline.export.check_fix import Change, fix_file, shown_change
from pipeline.types import Problem

from .test_check_corrupt import LINES

ASK, ANSWER = {"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}
CALL = {"id": "c", "function": {"name": "f", "arguments": {"a": "ä"}}}


def row(*messages: Any) -> bytes:
    return json.dumps({"messages": list(messages)}, ensure_ascii=False).encode()


def fixed(path: Path) -> list[Change]:
    changes: list[Change] = []
    done = fix_file(path, changes.append)
    assert done.changes == len(changes)
    return changes


@pytest.mark.parametrize(
    ("line", "mended"),
    [
        (row({"role": "human", "content": "Q"}, {"role": "GPT", "content": "A"}), row(ASK, ANSWER)),
        (row({**ASK, "weight": 1}, {**ANSWER, "weight": 1.0}), row(ASK, {**ANSWER, "weight": 1})),
        (row(ASK, {**ANSWER, "weight": False}), row(ASK, {**ANSWER, "weight": 0})),
        (row(ASK, {"role": "assistant", "tool_calls": [CALL]}), row(ASK, {"role": "assistant", "tool_calls": [
            {"id": "c", "function": {"name": "f", "arguments": '{"a": "ä"}'}, "type": "function"}]})),
        (b'{"messages": [{"role": "user", "role": "user", "content": "Q"}]}', row(ASK)),
        (b'{"messages":[{"role":"human","content":"\\u00e4"}]}', b'{"messages":[{"role":"user","content":"\\u00e4"}]}'),
        (b'{"input": {"messages": []}, "preferred_completion": [], "non_preferred_completion": []}',
         b'{"input": {"messages": []}, "preferred_output": [], "non_preferred_output": []}'),
    ],
)
def test_what_is_certain_is_mended(tmp_path: Path, line: bytes, mended: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(line + b"\n")
    (change,) = fixed(path)
    assert path.read_bytes() == mended + b"\n"
    assert (change.line, change.before, change.after) == (1, line, mended)
    assert change.done
    assert (tmp_path / "a.jsonl.orig").read_bytes() == line + b"\n"
    assert fixed(path) == [], "what is mended needs nothing more"


@pytest.mark.parametrize(
    "line",
    [
        row(ASK, {**ANSWER, "content": ""}),
        row(ASK, {**ANSWER, "weight": 0.5}),
        row({"role": "narrator", "content": "Q"}, ANSWER),
        row(ASK, {**ANSWER, "content": "<|im_end|>"}),
        row(ASK, ANSWER, ASK),
        row(ASK, {"role": "bot", "content": "hi"}, ANSWER),
        row(ASK, {"role": "bot", "content": "hi"}, {"role": "gpt", "content": "x"}),
        b'{"messages": [{"role": "user", "content": "a", "content": "b"}]}',
        b'{"messages": [{"role": "human", "content": NaN}]}',
        b'{"torn": ',
        b"\xff\xfe\xfd",
        b"[1]",
    ],
)
def test_where_two_readings_are_possible_nothing_is_done(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"{}\n" + line + b"\n")
    assert fixed(path) == []
    assert [each.name for each in tmp_path.iterdir()] == ["a.jsonl"], "no copy where nothing was done"


def test_bom_blank_lines_and_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    odd = b'{"messages" : [ ], "n":1.50}'  # as a person wrote it
    whole = b"\xef\xbb\xbf" + odd + b"\r\n\r\n \n" + row(ASK, ANSWER) + b"\r\n" + row(ASK)
    path.write_bytes(whole)
    changes = fixed(path)
    assert path.read_bytes() == odd + b"\n" + row(ASK, ANSWER) + b"\n" + row(ASK) + b"\n"
    assert [(each.line, each.done[0].split()[0]) for each in changes] == [
        (0, "the"), (2, "a"), (3, "a"), (0, "the"), (0, "CR")]
    assert (tmp_path / "a.jsonl.orig").read_bytes() == whole
    path.write_bytes(b"\n" + path.read_bytes())
    fixed(path)
    assert (tmp_path / "a.jsonl.orig").read_bytes() == whole, "a copy is never written over"
    assert (tmp_path / "a.jsonl.orig.2").is_file()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_what_says_its_encoding_becomes_utf8(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes((row(ASK, {**ANSWER, "content": "déjà\u2028vu 🙂"}).decode() + "\n").encode(encoding))
    assert len(fixed(path)) == 1
    assert path.read_bytes() == row(ASK, {**ANSWER, "content": "déjà\u2028vu 🙂"}) + b"\n"


def test_a_document_becomes_a_row_per_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"messages": [ASK, {**ANSWER, "content": 'a "b" \\ c\n d'}]}, {"messages": [ASK], "n": [1.5, {"a": None}]}]
    path.write_text(json.dumps(rows, indent=2))
    fixed(path)
    assert [json.loads(line) for line in path.read_bytes().splitlines()] == rows
    path.write_text(json.dumps(rows, indent=2)[:-20])
    with pytest.raises(DataError, match="cannot be read whole"):
        fix_file(path, lambda change: None)
    assert path.read_text() == json.dumps(rows, indent=2)[:-20]


def test_other_files_are_not_mended(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prompt,completion\n")
    with pytest.raises(DataError, match="only JSON lines are mended"):
        fix_file(tmp_path / "a.csv", lambda change: None)


def test_the_corrupted_file_has_fewer_faults_and_no_new_ones(tmp_path: Path) -> None:
    def faults(path: Path) -> dict[str, int]:
        found: list[Problem] = []
        (done,) = check_file(path, found.append, target="openai", groups="AB")
        return dict(done.codes)

    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(line for line, _ in LINES))
    before, rows = faults(path), sum(bool(line.strip(b" \t")) for line, _ in LINES)
    fixed(path)
    after = faults(path)
    assert path.read_bytes().count(b"\n") == rows, "no row is dropped"
    assert not {"bom", "crlf", "blank-line", "no-final-newline", "weight-not-on-answer"} & set(after)
    assert after["unknown-role"] == 1
    assert after["bad-arguments"] == 1
    assert all(count <= before.get(code, 0) for code, count in after.items())


def test_a_change_is_shown_with_what_is_around_it() -> None:
    before = row(ASK, {**ANSWER, "content": "x" * 500}, {"role": "human", "content": "y" * 500})
    old, new = shown_change(before, before.replace(b"human", b"user"))
    assert '"role": "human"' in old
    assert '"role": "user"' in new
    assert max(len(old), len(new)) < 120
    long = row({"role": "human", "content": "y" * 9000}, ANSWER)
    old, new = shown_change(long, long.replace(b"human", b"user"))
    assert '"role": "human"' in old
    assert max(len(old), len(new)) < 120
    old, new = shown_change(before, None)
    assert (len(old), new) == (161, "")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.binary(max_size=30), st.sampled_from([line for line, _ in LINES])), max_size=6),
       st.sampled_from([b"\n", b"\r\n"]))
@example([b"\xfe\xff", b"\0"], b"\r\n")  # cut off in the middle of UTF-16
def test_no_file_breaks_it_and_twice_is_once(tmp_path: Path, lines: list[bytes], end: bytes) -> None:
    path = tmp_path / "any.jsonl"
    path.write_bytes(end.join(lines))
    try:
        fixed(path)
        once = path.read_bytes()
        fixed(path)
    except DataError:
        return
    assert path.read_bytes() == once
