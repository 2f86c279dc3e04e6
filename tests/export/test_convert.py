"""`synth export FILE --to FORMAT`: any format into any other, and what would be lost is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline import registry
from pipeline.commands import main
from pipeline.errors import DataError, RecipeError
from pipeline.export import Options
from pipeline.export.convert import Converted, convert
from pipeline.formats import FormatRefusal, find, open_formats, recognise
from pipeline.sections import Item
from pipeline.types import Example, Problem
from tests.formats.test_families import ONE, SYSTEM, TWO
from tests.formats.test_golden import rows_for

NAMES = [name for name in registry.plugins("formats") if name != "chat-template" and not find(name).asks]
LINES = [name for name in NAMES if find(name).lines]


def to(path: Path, *items: Any, **options: Any) -> tuple[Converted, list[Problem]]:
    named = [Item.model_validate(item) for item in items]
    found: list[Problem] = []
    done = convert(path, open_formats(named), Options(formats=tuple(named), order="given", **options), found.append)
    return done, found


def lines(path: Path, *values: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path


def held(name: str) -> list[tuple[dict[str, Any], Example]]:
    """The golden rows that a format holds, as lines and as they are read back."""
    plugin, found = find(name), []
    for row in rows_for(plugin):
        try:
            values = json.loads(plugin.write(row))
        except FormatRefusal:
            continue
        read = recognise(values)
        assert read is not None
        found.append((values, read.read(values)))
    return found


@pytest.mark.parametrize("source", LINES)
def test_any_format_into_any_other(source: str, tmp_path: Path) -> None:
    """Each row is there as the other format leaves it, or is refused by name; none is lost in between."""
    given = held(source)
    assert given
    for target in NAMES:
        plugin = find(target)
        path = lines(tmp_path / f"{source}-{target}.jsonl", *(values for values, _ in given))
        wanted, refused = [], 0
        for number, (_, read) in enumerate(given, 1):
            row = replace(read, sample=f"{path.name}:{number}")
            try:
                if row.rejected is not None and not plugin.pairs:
                    raise FormatRefusal("holds-no-pair", "-")
                if row.label == "false" and "label" not in plugin.holds:
                    raise FormatRefusal("not-desired", "-")
                plugin.write(row)
                wanted.append(row)
            except FormatRefusal:
                refused += 1
        if not wanted:
            with pytest.raises(DataError, match="no row could be written"):
                to(path, target)
            continue
        done, unread = to(path, target)
        (one,) = done.written
        assert not unread
        assert (one.files[0].rows, one.refused_rows) == (len(wanted), refused)
        assert plugin.prove(one.files[0].path, wanted) == len(wanted)


def test_a_line_that_is_of_the_format_already_passes_byte_for_byte(tmp_path: Path) -> None:
    line = b'{ "messages":[{"role":"user","content":"Q\\u00e9"},{"content":"A","role":"assistant"}], "id": 7 }\n'
    path = tmp_path / "rows.jsonl"
    path.write_bytes(line * 2)
    done, _ = to(path, "openai-chat")
    assert done.written[0].files[0].path == tmp_path / "rows-exports" / "openai-chat" / "train.jsonl"
    assert done.written[0].files[0].path.read_bytes() == line * 2
    assert done.notes == []


def test_what_would_be_lost_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines(tmp_path / "rows.jsonl", {"messages": ONE, "id": 1}, {"messages": TWO, "id": 2},
          {"messages": ONE, "lang": "de"}, {"messages": [SYSTEM, *ONE]},
          {"messages": [{"role": "user", "content": "</s>"}, ONE[1]]},
          {"messages": ONE}, {"messages": TWO}, {"messages": 3})
    assert main(["export", "rows.jsonl", "--to", "mistral", "--to", "alpaca", "--json"]) == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert (found["rows"], found["unread"], found["shape"]) == (7, 1, "openai-chat")
    assert [one["refused_by_code"] for one in found["formats"]] == [
        {"control-token": 1, "system-lost": 1}, {"holds-no-system": 1, "holds-one-exchange": 2}]
    assert "rows.jsonl:8: 'messages' is not a list" in shown.err
    assert found["notes"][0] == "mistral has no place for these columns, which stay behind: id (2 rows), lang (1 rows)"
    refused = (tmp_path / "rows-exports" / "mistral" / "refused.jsonl").read_text().splitlines()
    assert [json.loads(line)["sample"] for line in refused] == ["rows.jsonl:8", "rows.jsonl:4", "rows.jsonl:5"]
    assert json.loads(refused[0])["code"] == "no-messages", "a line that cannot be read is listed as well"


def test_a_rejected_answer_is_not_dropped(tmp_path: Path) -> None:
    pair = {"prompt": ONE[:1], "chosen": ONE[1:], "rejected": [{"role": "assistant", "content": "B"}]}
    path = lines(tmp_path / "pairs.jsonl", pair)
    with pytest.raises(DataError, match="no place for the rejected answer"):
        to(path, "openai-chat")
    assert [each.name for each in (tmp_path / "pairs-exports" / "openai-chat").iterdir()] == ["refused.jsonl"]
    done, _ = to(path, "openai-dpo")
    assert json.loads(done.written[0].files[0].path.read_bytes())["non_preferred_output"] == pair["rejected"]


def test_every_refused_line_is_listed_where_none_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = lines(tmp_path / "rows.jsonl", {"messages": [SYSTEM, *ONE]}, {"messages": [SYSTEM, *ONE]})
    with path.open("a") as file:
        file.write('{"messages": \n')
    assert main(["export", "rows.jsonl", "--to", "mistral"]) == 4
    assert "each with its reason in rows-exports/mistral/refused.jsonl" in capsys.readouterr().err
    (folder,) = (tmp_path / "rows-exports").iterdir()
    assert [each.name for each in folder.iterdir()] == ["refused.jsonl"]
    told = [json.loads(line) for line in (folder / "refused.jsonl").read_bytes().splitlines()]
    assert [(one["sample"], one["code"]) for one in told] == [
        ("rows.jsonl:3", "json"), ("rows.jsonl:1", "system-lost"), ("rows.jsonl:2", "system-lost")]
    assert main(["export", "rows.jsonl", "--to", "openai-chat"]) == 0
    assert main(["export", "rows.jsonl", "--to", "mistral: {system: fold}"]) == 0
    assert {each.name for each in folder.iterdir()} == {"refused.jsonl", "train.jsonl", "manifest.json", "README.md"}
    assert len((folder / "refused.jsonl").read_bytes().splitlines()) == 1


def test_answers_that_are_no_longer_trained_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    off = [TWO[0], {**TWO[1], "weight": 0}, *TWO[2:]]
    lines(tmp_path / "rows.jsonl", {"messages": TWO}, {"messages": TWO}, {"messages": ONE}, {"messages": off})
    assert main(["export", "rows.jsonl", "--to", "trl-prompt-completion: {earlier: context}"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "of 2 rows only the last answer is trained, the earlier ones are asked with" in said
    assert main(["export", "rows.jsonl", "--to", "openai-chat"]) == 0
    assert "only the last answer" not in capsys.readouterr().err


def test_the_same_file_gives_the_same_bytes_and_a_manifest(tmp_path: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", *({"prompt": f"Q{n}", "completion": f"A{n}"} for n in range(20)))
    first, _ = to(path, "llama3", {"mistral": {"version": "tekken"}}, validation=0.2)
    again, _ = to(path, "llama3", {"mistral": {"version": "tekken"}}, validation=0.2, out=tmp_path / "again")
    for one, other in zip(first.written, again.written, strict=True):
        assert [file.sha256 for file in one.files] == [file.sha256 for file in other.files]
        assert [file.rows for file in one.files] == [16, 4]
        assert one.manifest is not None
        assert other.manifest is not None
        assert one.manifest.read_bytes() == other.manifest.read_bytes()
    told = json.loads((tmp_path / "again" / "mistral" / "manifest.json").read_bytes())
    assert told["source"]["file"] == "rows.jsonl"
    assert told["format_options"] == {"version": "tekken"}
    assert told["rendering"] == {"begin": "<s>", "begins": "row", "stop": "</s>", "add_special_tokens": False,
                                 "version": "tekken", "proven": 20, "unproven": 0}
    assert first.written[1].files[0].path.read_text().startswith('{"text": "<s>[INST]Q')


def test_folders_are_read_and_written(tmp_path: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", {"prompt": "Q", "completion": "A", "name": "a"})
    done, _ = to(path, "folders")
    folder = done.written[0].files[0].path
    assert (folder / "completions" / "a.txt").read_text() == "A"
    assert done.notes == []
    back, _ = to(folder, "sharegpt")
    assert json.loads(back.written[0].files[0].path.read_bytes())["conversations"][1]["value"] == "A"


@pytest.mark.parametrize(("arguments", "said"), [
    (["export", "rows.jsonl"], "say what its rows are to become"),
    (["export", "rows.jsonl", "--to", "lama3"], "unknown format 'lama3'"),
    (["export", "rows.jsonl", "--to", "chatml", "--exact"], "--exact is for datasets"),
    (["export", "odd.jsonl", "--to", "chatml"], "cannot tell question and answer apart"),
    (["export", "empty.jsonl", "--to", "chatml"], "holds no row"),
    (["export", "rows.jsonl", "--to", "chat-template: {tokenizer: nowhere}"], "nowhere: no such folder"),
    (["export", "rows.jsonl", "--to", "qwen"], "Qwen2.5 template writes its own"),
])
def test_what_cannot_be_done_is_said(arguments: list[str], said: str, tmp_path: Path,
                                     capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines(tmp_path / "rows.jsonl", {"messages": ONE})
    lines(tmp_path / "odd.jsonl", {"a": "x", "b": "y"})
    (tmp_path / "empty.jsonl").write_bytes(b"")
    assert main(arguments) in (RecipeError.exit_code, DataError.exit_code)
    shown = capsys.readouterr().err
    assert said in shown
    assert len(shown.strip().splitlines()) >= 2  # and what to do
    assert not list(tmp_path.glob("*-exports/*/train*"))


@pytest.mark.parametrize("name", LINES)
def test_what_is_imported_of_any_format_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe that an import writes names the column in which the format has its conversation."""
    monkeypatch.chdir(tmp_path)
    lines(tmp_path / "rows.jsonl", *(values for values, _ in held(name)))
    assert main(["import", "rows", "rows.jsonl"]) == 0
    assert main(["run", "rows", "--no-tune"]) == 0
