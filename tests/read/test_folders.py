"""Two folders joined by file name, byte for byte, in each order."""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

import pytest

from pipeline.errors import DataError
from pipeline.read.folders import ORDERS, Order, Pair, pairs
from pipeline.types import Problem

NAMES = ["b.txt", "A.txt", "a.txt", "B1.txt", "Zoë.txt", "zoe.txt"]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for folder in ("prompts", "completions"):
        (tmp_path / folder).mkdir()
        for name in NAMES:
            (tmp_path / folder / name).write_bytes(f"{folder} of {name} \r\n\n".encode())
    return tmp_path / "prompts", tmp_path / "completions"


def joined(folders: tuple[Path, Path], order: Order, encoding: str | None = None) -> tuple[list[Pair], list[Problem]]:
    problems: list[Problem] = []
    return list(pairs(*folders, order, problems.append, encoding=encoding)), problems


@pytest.mark.parametrize("order", ORDERS)
def test_texts_are_exact_in_every_order(folders: tuple[Path, Path], order: Order) -> None:
    found, problems = joined(folders, order)
    assert problems == []
    assert sorted(pair.name for pair in found) == sorted(NAMES)
    for pair in found:
        assert pair.prompt.encode() == (folders[0] / pair.name).read_bytes()
        assert pair.completion.encode() == (folders[1] / pair.name).read_bytes()
    expected = {
        "given": os.listdir(folders[1]),
        "name": ["A.txt", "B1.txt", "Zoë.txt", "a.txt", "b.txt", "zoe.txt"],
        "name-ignorecase": ["A.txt", "a.txt", "b.txt", "B1.txt", "zoe.txt", "Zoë.txt"],
    }
    assert [pair.name for pair in found] == expected[order]
    assert get_args(Order) == ORDERS


def test_what_does_not_pair_is_named(folders: tuple[Path, Path]) -> None:
    asked, answered = folders
    (asked / "lone.txt").write_text("x")
    (answered / "b.txt").write_bytes("naïve".encode("cp1252"))
    (answered / "a.txt").write_bytes(b"\xef\xbb\xbfx")
    (answered / ".DS_Store").write_bytes(b"\0")
    (answered / "deeper").mkdir()
    found, problems = joined(folders, "name")
    assert [pair.name for pair in found] == ["A.txt", "B1.txt", "Zoë.txt", "a.txt", "zoe.txt"]
    assert {problem.code: problem.severity for problem in problems} == {
        "unpaired": "error", "encoding": "error", "bom": "warning", "hidden": "note", "not-a-file": "warning"}
    by_code = {problem.code: problem for problem in problems}
    assert by_code["unpaired"].fix == f"add {answered / 'lone.txt'}"
    assert by_code["encoding"].where.endswith("b.txt:1")
    assert by_code["encoding"].fix == "--encoding cp1252"
    assert next(pair for pair in found if pair.name == "a.txt").completion == "\ufeffx"
    assert joined(folders, "name", "cp1252")[0][4].completion == "naïve"


def test_equal_bytes_are_equal_data_and_no_others(folders: tuple[Path, Path]) -> None:
    asked, answered = folders
    for name, left, right in (("1.txt", "ab", "c"), ("2.txt", "a", "bc"), ("3.txt", "ab", "c")):
        (asked / name).write_text(left)
        (answered / name).write_text(right)
    one, two, three = joined(folders, "name")[0][:3]
    assert one.data == three.data != two.data


def test_folders_that_share_nothing(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    other = tmp_path / "prompt"
    with pytest.raises(DataError, match="no such folder") as caught:
        joined((other, folders[1]), "name")
    assert caught.value.hint == f"did you mean '{folders[0]}'?"
    other.mkdir()
    with pytest.raises(DataError, match="no file name is in both"):
        joined((other, folders[1]), "name")
