"""Every kind of file, every fault, and any bytes at all."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.digest import digest_bytes
from pipeline.errors import DataError, RecipeError
from pipeline.read import Row, columns, encoding_fault, file_digest, rows
from pipeline.types import Problem

Read = Callable[..., tuple[list[Row], list[Problem]]]
SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def _read(name: str, data: bytes, encoding: str | None = None) -> tuple[list[Row], list[Problem]]:
        path = tmp_path / name
        path.write_bytes(data)
        problems: list[Problem] = []
        found = list(rows(path, problems.append, encoding=encoding))
        unpacked = gzip.decompress(data) if name.endswith(".gz") else data
        for row in found:
            assert unpacked[row.start : row.end] == row.data
        return found, problems

    return _read


def values(found: list[Row]) -> list[dict[str, Any]]:
    return [row.values for row in found]


def codes(problems: list[Problem], *severities: str) -> list[str]:
    return [problem.code for problem in problems if not severities or problem.severity in severities]


# JSON lines


def test_lines_keep_their_bytes_numbers_and_offsets(read: Read) -> None:
    found, problems = read("a.jsonl", b'\xef\xbb\xbf{"a": 1}\r\n\n {"b":"x\xe2\x80\xa8y\\n"} \n{"c":null}')
    assert [row.number for row in found] == [1, 3, 4]
    assert found[1].data == b' {"b":"x\xe2\x80\xa8y\\n"} '
    assert values(found) == [{"a": 1}, {"b": "x\u2028y\n"}, {"c": None}]
    assert codes(problems) == ["bom", "crlf", "blank-line", "no-final-newline"]
    assert not codes(problems, "error", "warning")


@pytest.mark.parametrize(("line", "code"), [
    (b'{"a":', "json"), (b'{"a":1}{"b":2}', "json"), (b"nonsense", "json"), (b"\0\0\0", "json"), (b'{"a":1,}', "json"),
    (b"[1]", "not-an-object"), (b"3", "not-an-object"), (b'"x"', "not-an-object"), (b"null", "not-an-object"),
    (b'{"a":NaN}', "not-a-number"), (b'{"a":[-Infinity]}', "not-a-number"), (b'{"a":1e999}', "not-a-number"),
    (b'{"a":"\\ud800"}', "lone-surrogate"), (b'{"a":"caf\xe9"}', "encoding"), (b'{"a":"\xed\xa0\x80"}', "encoding"),
    (b'{"a":' + b"[" * 300 + b"]" * 300 + b"}", "too-deep"),
    (b'{"a":' + b"[" * 90_000 + b"]" * 90_000 + b"}", "too-deep"),
])
def test_a_bad_line_is_refused_named_and_the_others_stand(read: Read, line: bytes, code: str) -> None:
    found, problems = read("a.jsonl", b'{"a":1}\n' + line + b'\n{"a":2}\n')
    assert values(found) == [{"a": 1}, {"a": 2}]
    (problem,) = problems
    assert (problem.severity, problem.code) == ("error", code)
    assert problem.where.endswith("a.jsonl:2")
    assert problem.fix


def test_the_encoding_of_a_bad_line_is_guessed(read: Read) -> None:
    _, (problem,) = read("a.jsonl", '{}\n{"a":"déjà vu"}\n'.encode("cp1252"))
    assert problem.message == "byte 0xE9 at column 8 is not utf-8"
    assert problem.fix == "--encoding cp1252"


def test_duplicate_keys_count_the_last_and_say_so(read: Read) -> None:
    found, (problem,) = read("a.jsonl", b'{"a":1,"b":{"c":1,"c":2},"a":3}\n')
    assert values(found) == [{"a": 3, "b": {"c": 2}}]
    assert (problem.severity, problem.code) == ("warning", "duplicate-key")
    assert "'c', 'a'" in problem.message


def test_text_that_looks_like_a_key_is_no_duplicate(read: Read) -> None:
    assert read("a.jsonl", b'{"a":"say \\"b\\": \\"b\\": 1", "b" : "\\": "}\n')[1] == []


@pytest.mark.parametrize("number", ["18446744073709551616", "-9223372036854775809", "9" * 300])
def test_numbers_beyond_64_bits_are_kept_digit_for_digit(read: Read, number: str) -> None:
    found, (problem,) = read("a.jsonl", b'{"id":%s,"n":18446744073709551615}\n' % number.encode())
    assert values(found) == [{"id": number, "n": 2**64 - 1}]
    assert (problem.severity, problem.code) == ("warning", "big-number")


def test_nul_in_a_text_is_kept_and_said(read: Read) -> None:
    found, (problem,) = read("a.jsonl", b'{"a":"x\\u0000"}\n{"a":"\\\\u0000"}\n')
    assert values(found) == [{"a": "x\0"}, {"a": "\\u0000"}]
    assert (problem.code, problem.where[-2:]) == ("nul", ":1")


def test_a_document_named_jsonl_is_read_as_one(read: Read) -> None:
    found, problems = read("a.jsonl", b'[\n  {"a": 1},\n  {"a": 2}\n]\n')
    assert values(found) == [{"a": 1}, {"a": 2}]
    assert codes(problems) == ["not-lines"]


def test_lines_in_another_encoding(read: Read) -> None:
    for encoding in ("cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        text = '{"a":"é\u0a0d\u0d0a"}\r\n{"a":2}\n' if encoding != "cp1252" else '{"a":"é"}\r\n{"a":2}\n'
        found, problems = read("a.jsonl", text.encode(encoding), encoding=encoding)
        assert values(found) == [json.loads(line) for line in text.split("\n")[:2]]
        assert not codes(problems, "error", "warning")


def test_a_long_line_costs_one_line(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.read import _lines

    monkeypatch.setattr(_lines, "LONGEST", 3_000_000)
    big = b'{"a":"%s"}' % (b"x" * 2_900_000)
    found, problems = read("a.jsonl", big + b"\n" + b'{"a":"' + b"y" * 9_000_000 + b'"}\n{"b":1}\n')
    assert [row.number for row in found] == [1, 3]
    assert found[0].data == big
    assert codes(problems) == ["too-long"]
    assert problems[0].where.endswith(":2")


# JSON documents


@pytest.mark.parametrize("data", [
    b'[{"a":1},{"a":"}]\\""}]', b'{"a":1}{"a":"}]\\""}', b'{"a":1}\n\n{"a":"}]\\""}',
    b'[\n{"a":1}\n,\n{"a":"}]\\""}\n]\n',
    b'\xef\xbb\xbf[{"a":1},{"a":"}]\\""}]', b'{"a":1},\n{"a":"}]\\""}',
])
def test_documents_in_every_layout(read: Read, data: bytes) -> None:
    found, problems = read("a.json", data)
    assert values(found) == [{"a": 1}, {"a": '}]"'}]
    assert [row.data for row in found] == [b'{"a":1}', b'{"a":"}]\\""}']
    assert not codes(problems, "error", "warning")


def test_faults_of_documents(read: Read) -> None:
    found, problems = read("a.json", b'[{"a":1}, 7, [2],\n{"a":NaN},\n{"a":2')
    assert values(found) == [{"a": 1}]
    assert [(p.code, p.where.rsplit(":", 1)[1]) for p in problems] == [
        ("not-an-object", "1"), ("not-an-object", "1"), ("not-a-number", "2"), ("json", "3"), ]
    found, problems = read("a.json", b'[{"a":1},')
    assert values(found) == [{"a": 1}]
    assert codes(problems) == ["json"]
    assert values(read("a.json", b'{"a":1}]{"a":2}')[0]) == [{"a": 1}, {"a": 2}]
    with pytest.raises(DataError, match="utf-16"):
        read("a.json", '{"a":1}'.encode("utf-16"))


def test_a_document_larger_than_the_window(read: Read) -> None:
    items = [{"n": n, "t": "é\\\" {[" * (n % 700)} for n in range(2000)]
    found, problems = read("a.json", json.dumps(items, ensure_ascii=False, indent=1).encode())
    assert values(found) == items
    assert problems == []


# Tables


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_tables_as_the_standard_library_writes_them(read: Read, separator: str, end: str) -> None:
    table = [["subject", "body"], ["a,b;c|d\te", 'say "hi"\r\nthere\n'], ["", " x "], ["é", '"']]
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=separator, lineterminator=end).writerows(table)
    found, problems = read("a.csv", buffer.getvalue().encode())
    assert values(found) == [dict(zip(table[0], line, strict=True)) for line in table[1:]]
    assert [row.number for row in found] == [2, 5, 6]
    assert problems == []


def test_a_table_with_a_byte_order_mark_and_one_column(read: Read) -> None:
    found, problems = read("a.csv", b'\xef\xbb\xbftext\nHello, world; again\n"quoted, ""too"""\n\nlast')
    assert [row.values["text"] for row in found] == ["Hello, world; again", 'quoted, "too"', "last"]
    assert codes(problems) == ["bom", "blank-line"]


@pytest.mark.parametrize(("line", "code"), [
    (b"1", "cells"), (b"1,2,3", "cells"), (b'"a"b,2', "quote"), (b'"a\nb"c,2', "quote"), (b"\xe9,2", "encoding"),
    (b'"x\n\xe9\n",2', "encoding"),
])
def test_a_bad_record_is_refused_named_and_the_others_stand(read: Read, line: bytes, code: str) -> None:
    found, problems = read("a.csv", b"a,b\n1,2\n" + line + b"\n3,4\n")
    assert values(found) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
    (problem,) = problems
    assert (problem.severity, problem.code) == ("error", code)
    assert problem.where.endswith("a.csv:3")
    assert problem.fix


def test_a_quote_that_nothing_closes_costs_one_line(read: Read) -> None:
    found, (problem,) = read("a.csv", b'a,b\n1,"open\n2,x\n3,y\n')
    assert values(found) == [{"a": "2", "b": "x"}, {"a": "3", "b": "y"}]
    assert (problem.code, problem.where[-2:]) == ("quote", ":2")


def test_headers_that_name_badly(read: Read) -> None:
    found, problems = read("a.csv", b"a,,a,a_2\n1,2,3,4\n")
    assert values(found) == [{"a": "1", "column_2": "2", "a_3": "3", "a_2": "4"}]
    assert codes(problems, "warning") == ["header", "header"]
    assert codes(read("a.csv", b"1,2\n3,4\n")[1]) == ["header"]
    with pytest.raises(DataError, match=r":1: the header: byte 0xEF at column 3 is not utf-8") as caught:
        read("a.csv", "naïve,b\n1,2".encode("cp1252"))
    assert caught.value.hint == "--encoding cp1252"
    with pytest.raises(DataError, match="closing quote"):
        read("a.csv", b'"a"b,c\n1,2\n')


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "shift_jis", "cp037"])
def test_tables_in_another_encoding(read: Read, encoding: str) -> None:
    text = "a,b\r\nx,\"ソ, |\\\r\n\"\r\n" if encoding == "shift_jis" else "a,b\r\né,\"1, |\\\r\n\"\r\n"
    found, problems = read("a.csv", text.encode(encoding), encoding=encoding)
    assert values(found) == list(csv.DictReader(io.StringIO(text, newline="")))
    assert not codes(problems, "error", "warning")


def test_wide_text_is_told_by_its_mark_or_refused_with_its_name(read: Read) -> None:
    assert values(read("a.csv", "a,b\nx,\u0a0a\u0a22y\n".encode("utf-16"))[0]) == [{"a": "x", "b": "\u0a0a\u0a22y"}]
    with pytest.raises(DataError, match="utf-16-le") as caught:
        read("a.csv", "a,b\nx,y\n".encode("utf-16-le"))
    assert caught.value.hint == "--encoding utf-16-le"


def test_lines_of_an_old_macintosh(read: Read) -> None:
    assert values(read("a.csv", b'a,b\rx,y\rz,"w\rq"')[0]) == [{"a": "x", "b": "y"}, {"a": "z", "b": "w\rq"}]


# Parquet


def test_parquet(tmp_path: Path) -> None:
    import datetime as dt
    from decimal import Decimal

    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    table = pa.Table.from_pylist([
        {"m": [{"role": "user", "content": "hé", "name": None}], "f": float("nan"), "d": dt.date(2026, 1, 2),
         "x": Decimal("1.50"), "b": b"\xff\xfe", "s": "a\u2028"},
        {"m": [], "f": 1.5, "d": None, "x": None, "b": b"text", "s": None},
    ])
    parquet.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "b.parquet.gz").write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    for name in ("a.parquet", "b.parquet.gz"):
        problems: list[Problem] = []
        found = list(rows(tmp_path / name, problems.append))
        assert values(found) == [
            {"m": [{"role": "user", "content": "hé"}], "f": None, "d": "2026-01-02", "x": "1.50", "b": None,
             "s": "a\u2028"},
            {"m": [], "f": 1.5, "d": None, "x": None, "b": "text", "s": None},
        ]
        assert [(row.number, row.data) for row in found] == [(1, b""), (2, b"")]
        assert codes(problems) == ["not-a-number", "binary"]
        assert columns(tmp_path / name) == ["m", "f", "d", "x", "b", "s"]
    (tmp_path / "c.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="not a Parquet file"):
        list(rows(tmp_path / "c.parquet", print))


# Files as a whole


def test_gzip_whole_and_cut_short(read: Read, tmp_path: Path) -> None:
    data = b"".join(b'{"n":%d,"t":"%s"}\n' % (n, digest_bytes(b"%d" % n).encode()) for n in range(20_000))
    packed = gzip.compress(data[:40]) + gzip.compress(data[40:])
    assert values(read("a.jsonl.gz", packed)[0])[-1]["n"] == 19_999
    path = tmp_path / "b.jsonl.gz"
    path.write_bytes(packed[: len(packed) // 2])
    problems: list[Problem] = []
    found = list(rows(path, problems.append))
    assert values(found) == [json.loads(line) for line in data.split(b"\n")[: len(found)]]
    assert len(found) > 5_000
    assert [code for code in codes(problems, "error") if code != "json"] == ["gzip"]


def test_what_is_no_readable_file(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"a\n1\n")
    (tmp_path / "book.csv").write_bytes(b"PK\x03\x04.....")
    for name, message, hint in (("row.csv", "no such file", "rows.csv"), ("book.csv", "Excel", "save it as CSV"),
                                ("a.txt", "cannot tell", ".jsonl"), (".", "folder", "--prompts"),
                                ("a.xlsx", "spreadsheet", "CSV")):
        with pytest.raises(DataError, match=message) as caught:
            list(rows(tmp_path / name, print))
        assert hint in caught.value.hint
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(DataError, match="folder"):
        list(rows(tmp_path / "d.csv", print))
    with pytest.raises(RecipeError, match="unknown encoding 'utf8x'"):
        list(rows(tmp_path / "rows.csv", print, encoding="utf8x"))
    with pytest.raises(RecipeError):
        list(rows(tmp_path / "rows.csv", print, encoding="base64"))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json"])
def test_an_empty_file_says_so(read: Read, name: str) -> None:
    for data in (b"", b"\n \n"):
        found, problems = read(name, data)
        assert found == []
        assert codes(problems, "warning", "error") == ["empty"]


def test_columns_and_digest(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"b":1}\n{"a":1,"b":2}\nbroken\n')
    (tmp_path / "a.tsv").write_bytes(b"x, y\tz\n1\t2\n")
    assert columns(tmp_path / "a.jsonl") == ["b", "a"]
    assert columns(tmp_path / "a.tsv") == ["x, y", "z"]
    assert file_digest(tmp_path / "a.tsv") == digest_bytes(b"x, y\tz\n1\t2\n")


@pytest.mark.parametrize(("text", "encoding"), [
    ("Le garçon a mangé une pâte fraîche, déjà prête.", "cp1252"), ("Müller’s größte “Straße” für 5 €", "cp1252"),
    ("Le garçon a mangé une pâte, déjà.", "mac-roman"), ("Zażółć gęślą jaźń", "cp1250"),
    ("Съешь ещё этих мягких французских булок", "cp1251"), ("Съешь ещё этих мягких французских булок", "koi8-r"),
    ("日本語のテキストです。", "shift_jis"), ("日本語のテキストです。", "euc_jp"), ("한국어 문장입니다", "cp949"),
    ("这是一个中文句子。", "gb18030"), ("這是一個中文句子，測試。", "big5"),
])
def test_the_encoding_of_a_file_is_named(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\nplain,x\n" + f"{text},y\n".encode(encoding) + b"plain,z\n")
    fault = encoding_fault(path)
    assert fault is not None
    assert (fault.bad, fault.lines, fault.problem.fix) == (1, 4, f"--encoding {encoding}")
    assert fault.problem.where.endswith("a.csv:3")
    assert encoding_fault(path, encoding) is None


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_two_bytes_a_character_are_seen_without_a_mark(read: Read, tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("text,label\nhéllo wörld there,a\nthe end öf it,b\n".encode(encoding))
    fault = encoding_fault(path)
    assert fault is not None
    assert fault.problem.fix == f"--encoding {encoding}"
    assert "reads" not in fault.problem.message


def test_a_missing_file_is_compared_with_files_of_rows(read: Read, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "tales.yaml").touch()
    with pytest.raises(DataError) as error:
        list(rows(tmp_path / "zzz.jsonl", lambda _: None))
    assert error.value.hint == "known: rows.csv"


def test_utf8_has_no_encoding_fault(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes("é\u2028日本\n".encode() * 300_000)
    assert encoding_fault(path) is None


# Any bytes


PIECES = st.sampled_from([
    b'"', b'""', b",", b";", b"\t", b"\n", b"\r\n", b"\r", b"{", b"}", b"[", b"]", b":", b"\\", b'{"a":1}',
    b'{"a":"x"}\n', b"a,b\n", b"1,2\n", b"\xef\xbb\xbf", b"\0", b"\xff", b"\xe9", b"\xe2\x80\xa8", b"NaN",
    b"1e999", b'"a"', b" ", b"x"])
BYTES = st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=40).map(b"".join))


@SAME_FOLDER
@given(data=BYTES, name=st.sampled_from(["a.jsonl", "a.json", "a.csv", "a.tsv"]),
       encoding=st.sampled_from([None, "latin-1", "utf-16", "cp932"]))
def test_any_bytes_are_rows_problems_or_one_sentence(read: Read, data: bytes, name: str, encoding: str | None) -> None:
    try:
        found, problems = read(name, data, encoding)
    except DataError:
        with pytest.raises(DataError, match=name):
            read(name, data, encoding)
        return
    ends = [0] + [row.end for row in found]
    assert all(row.start >= end for row, end in zip(found, ends, strict=False)), "rows overlap"
    assert all(problem.where and problem.message for problem in problems)
    for row in found:
        json.dumps(row.values, allow_nan=False).encode()
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    if not codes(problems, "error") and name == "a.jsonl" and encoding is None and not wide:
        between = [data[end : row.start] for row, end in zip(found, ends, strict=False)] + [data[ends[-1] :]]
        assert not b"".join(between).removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n\v\f")


@SAME_FOLDER
@given(data=BYTES)
def test_any_bytes_as_gzip(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(b"\x1f\x8b" + data)
    problems: list[Problem] = []
    try:
        assert list(rows(path, problems.append)) == []
    except DataError as error:  # damaged before the first byte of text
        problems.append(Problem("error", "gzip", str(path), error.message, error.hint))
    assert any("gzip data" in problem.message for problem in problems)


def test_a_gzip_file_cut_within_its_head_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(b"\x1f\x8b\x08")
    with pytest.raises(DataError, match="the gzip data ends before its data does"):
        list(rows(path, print))


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), TEXT,
                    st.floats(allow_nan=False, allow_infinity=False))
OBJECTS = st.dictionaries(TEXT, st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    TEXT, inner, max_size=3), max_leaves=6), max_size=4)


@SAME_FOLDER
@given(items=st.lists(OBJECTS, max_size=6), ascii_only=st.booleans(), spaced=st.booleans())
def test_what_json_wrote_comes_back_byte_for_byte(
        read: Read, items: list[dict[str, Any]], ascii_only: bool, spaced: bool) -> None:
    marks = None if spaced else (",", ":")
    lines = [json.dumps(item, ensure_ascii=ascii_only, separators=marks).encode() for item in items]
    found, problems = read("a.jsonl", b"".join(line + b"\n" for line in lines))
    assert values(found) == items
    assert b"".join(row.data + b"\n" for row in found) == b"".join(line + b"\n" for line in lines)
    assert set(codes(problems)) <= {"nul", "empty"}
    found, problems = read("a.json", b"[" + b",\n".join(lines) + b"]")
    assert [row.data for row in found] == lines
    assert set(codes(problems)) <= {"nul", "empty"}


@SAME_FOLDER
@given(table=st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(TEXT, min_size=n, max_size=n), max_size=6)),
       separator=st.sampled_from(",;\t|"), end=st.sampled_from(["\n", "\r\n"]))
def test_what_csv_wrote_comes_back(read: Read, table: list[list[str]], separator: str, end: str) -> None:
    names = [f"c{n}" for n in range(len(table[0]) if table else 2)]
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=separator, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([names, *table])
    found, problems = read("a.csv", buffer.getvalue().encode())
    assert values(found) == [dict(zip(names, line, strict=True)) for line in table]
    assert set(codes(problems)) <= {"nul", "empty"}
