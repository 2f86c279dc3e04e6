"""Rows of a source: ids that hold, the encoding of a whole file, two folders."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from pipeline.errors import DataError, RecipeError
from pipeline.read import file_digest
from pipeline.read.source import Ordinals, SourceRow, source_rows
from pipeline.recipe import parse_recipe
from pipeline.sections import Source
from pipeline.types import Problem


def read(folder: Path, problems: list[Problem] | None = None, **keys: str) -> list[SourceRow]:
    source = Source.model_validate(keys)
    return list(source_rows(source, folder, (problems if problems is not None else []).append))


def test_ids_hold_when_a_file_grows_moves_or_is_packed(tmp_path: Path) -> None:
    lines = [b'{"a":1}', b'{"a":2}', b'{"a":1}', b'{"a":1}']
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    (tmp_path / "b.jsonl").write_bytes(b'{"z":0}\r\n' + b"\r\n".join(lines) + b'\r\n{"a":2}\r\n')
    first, grown = read(tmp_path, file="a.jsonl"), read(tmp_path, file="b.jsonl")
    assert len({row.id for row in first}) == 4
    assert [row.id for row in grown[1:5]] == [row.id for row in first]
    assert len({row.id for row in grown}) == 6
    row = first[2]
    place = {"file": "a.jsonl", "row": row.id, "start": 16, "end": 23, "number": 3}
    assert row.source == {**place, "digest": file_digest(tmp_path / "a.jsonl")}
    assert row.data == lines[2]


def test_a_record_is_named_by_its_columns_too(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"text,label\nhello,no\n")
    (tmp_path / "b.csv").write_bytes(b"label,text\nhello,no\n")
    assert read(tmp_path, file="a.csv")[0].id != read(tmp_path, file="b.csv")[0].id


def test_rows_of_parquet_have_ids(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    parquet.write_table(pa.table({"a": ["x", "y", "x"]}), tmp_path / "a.parquet")
    rows = read(tmp_path, file="a.parquet")
    assert len({row.id for row in rows}) == 3
    assert [row.source["number"] for row in rows] == [1, 2, 3]


def test_a_file_in_another_encoding_is_refused_whole(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes("prompt,completion\nWie?,Größe\nNoch,eins\n".encode("cp1252"))
    with pytest.raises(DataError) as caught:
        read(tmp_path, file="rows.csv")
    assert caught.value.message == (
        f"{tmp_path}/rows.csv:2: byte 0xF6 at column 8 is not utf-8; in cp1252 it reads “Wie?,Größe”; "
        "this line of 3 cannot be read")
    assert caught.value.hint == "--encoding cp1252"
    assert read(tmp_path, file="rows.csv", encoding="cp1252")[0].values["completion"] == "Größe"


def test_a_stray_line_in_another_encoding_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"a\n" + b"x\n" * 150 + b"\xe9\n" + b"y\n" * 150)
    problems: list[Problem] = []
    assert len(read(tmp_path, problems, file="rows.csv")) == 300
    assert [problem.code for problem in problems] == ["encoding"]


def test_damage_is_no_encoding(tmp_path: Path) -> None:
    problems: list[Problem] = []
    (tmp_path / "torn.jsonl").write_bytes(b'{"a":1}\n\xff\xfe\n{"a":2}\n')
    assert len(read(tmp_path, problems, file="torn.jsonl")) == 2
    assert [problem.code for problem in problems] == ["encoding"]
    (tmp_path / "whole.jsonl").write_bytes('{"a":1}\n{"a":"é"}\n'.encode("cp1252"))
    with pytest.raises(DataError, match=r"whole\.jsonl:2"):
        read(tmp_path, file="whole.jsonl")
    (tmp_path / "whole.json").write_bytes('[{"a":"é"}]'.encode("cp1252"))
    with pytest.raises(DataError) as caught:
        read(tmp_path, file="whole.json")
    assert caught.value.hint.startswith("iconv -f cp1252 -t utf-8 ")


def test_two_folders(tmp_path: Path) -> None:
    for folder in ("p", "c"):
        (tmp_path / folder).mkdir()
        for name in ("b", "A", "c"):
            (tmp_path / folder / name).write_text(f"{folder}\n" if name != "c" else f"{folder}c")
    rows = read(tmp_path, prompts="p/", completions="c", order="name-ignorecase")
    assert [row.values for row in rows] == [
        {"name": "A", "prompt": "p\n", "completion": "c\n"}, {"name": "b", "prompt": "p\n", "completion": "c\n"},
        {"name": "c", "prompt": "pc", "completion": "cc"}]
    assert rows[0].source["file"] == "c/A"
    assert rows[0].source["prompt_file"] == "p/A"
    assert len({row.id for row in rows}) == 3


@pytest.mark.parametrize("source", [
    "{}", "{prompts: a}", "{file: a.csv, prompts: b, completions: c}", "{completions: c}"])
def test_a_source_is_one_thing(source: str) -> None:
    with pytest.raises(RecipeError, match="a source is a `file`, or two folders"):
        parse_recipe(f"synth: 1\nname: x\nsource: {source}\ntrain: {{assistant: '{{{{a}}}}'}}\n")


def test_counting_equal_rows_takes_no_memory_of_ours() -> None:
    ordinals = Ordinals()
    tracemalloc.start()
    for number in range(30_000):
        assert ordinals.next(b"%016d" % (number % 20_000)) == number // 20_000
    assert tracemalloc.get_traced_memory()[1] < 200_000
    tracemalloc.stop()
    ordinals.close()
