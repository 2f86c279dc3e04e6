"""Importing: files and folders into datasets, twice, grown, read otherwise, edited by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import DataError, RecipeError
from pipeline.ingest import Columns, Imported, import_dataset, import_rows
from pipeline.sections import Source
from pipeline.store import Dataset
from pipeline.types import Problem, Sample

ROWS = [{"q": f"What is {n}? ", "a": f" It is\r\n{n}.\n", "n": n} for n in range(5)]
QA = Columns("q", "a")
Import = Callable[..., Imported]


@pytest.fixture
def bring(workdir: Path) -> Import:
    def _bring(file: str | None = "rows.jsonl", columns: Columns = QA, problems: list[Problem] | None = None,
               edits: Any = None, **source: Any) -> Imported:
        report = (problems if problems is not None else []).append
        return import_rows(Path("datasets/mine"), Source(file=file, **source), columns, Path(), report, edits=edits)

    lines(workdir / "rows.jsonl", ROWS)
    return _bring


def lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), newline="")


def samples() -> list[Sample]:
    with Dataset.open(Path("datasets/mine")) as dataset:
        return list(dataset.samples())


def test_rows_come_in_order_with_their_place(bring: Import, workdir: Path) -> None:
    done = bring()
    assert (done.rows, done.added, done.changed, done.there) == (5, 5, 0, 0)
    found = samples()
    assert [(sample.prompt, sample.answer) for sample in found] == [(row["q"], row["a"]) for row in ROWS]
    assert [sample.fields for sample in found] == ROWS
    data = (workdir / "rows.jsonl").read_bytes()
    for number, (sample, row) in enumerate(zip(found, ROWS, strict=True), 1):
        assert sample.source is not None
        assert sample.source["number"] == number
        assert json.loads(data[sample.source["start"] : sample.source["end"]]) == row
        assert (workdir / "datasets" / "mine" / sample.source["file"]).resolve() == workdir / "rows.jsonl"
    assert not any(sample.rehearsal for sample in found)


def test_twice_brings_nothing_twice_and_a_grown_file_only_what_is_new(bring: Import, workdir: Path) -> None:
    bring()
    before = (workdir / "datasets/mine/samples.jsonl").read_bytes()
    assert bring()[:4] == (5, 0, 0, 5)
    assert (workdir / "datasets/mine/samples.jsonl").read_bytes() == before
    lines(workdir / "rows.jsonl", [{"q": "new", "a": "first"}, *ROWS, ROWS[0]])
    assert bring()[:4] == (7, 2, 0, 5)
    assert [sample.prompt for sample in samples()] == [*(row["q"] for row in ROWS), "new", ROWS[0]["q"]]
    places = [sample.source["number"] for sample in samples() if sample.source]
    assert places == [2, 3, 4, 5, 6, 1, 7], "places are renewed"


def test_other_columns_read_the_rows_anew(bring: Import) -> None:
    bring()
    ids = [sample.id for sample in samples()]
    assert bring(columns=Columns("{{q}}#{{n}}", "a"))[:4] == (5, 0, 5, 0)
    assert [sample.prompt for sample in samples()] == [f"{row['q']}#{row['n']}" for row in ROWS]
    assert [sample.id for sample in samples()] == ids
    with Dataset.open(Path("datasets/mine")) as dataset:
        assert not dataset.hand_edits()
        recipe = dataset.recipe()
    assert recipe is not None
    assert recipe.train.user == "{{q}}#{{n}}"


def test_rows_that_another_verb_made_stay(bring: Import, workdir: Path) -> None:
    bring()
    path = workdir / "datasets/mine/recipe.yaml"
    with Dataset.open(path.parent) as dataset:
        dataset.rewrite(lambda sample: replace(sample, provenance={"train": "x"}))
        path.write_text("# mine\n" + path.read_text())
    assert bring(columns=Columns("{{q}}!", "a"))[:4] == (5, 0, 0, 5)
    assert [sample.prompt for sample in samples()] == [row["q"] for row in ROWS]


def test_a_hand_wins(bring: Import, workdir: Path) -> None:
    bring()
    path = workdir / "datasets/mine/samples.jsonl"
    kept = [json.loads(line) for line in path.read_text().splitlines()]
    kept[1]["messages"][-1]["content"] = "by hand"
    lines(path, kept[:-1])
    edited = path.read_bytes()
    with pytest.raises(DataError, match="1 row deleted, 1 edited by hand") as caught:
        bring()
    assert "--adopt" in caught.value.hint
    assert path.read_bytes() == edited
    assert bring(edits="adopt", columns=Columns("{{q}}!", "a"))[:3] == (5, 0, 3)
    assert [sample.answer for sample in samples()][1] == "by hand"
    assert len(samples()) == 4
    done = bring(edits="restore", columns=Columns("{{q}}!", "a"))
    assert done.notes


def test_a_second_source_is_added(bring: Import, workdir: Path) -> None:
    bring()
    (workdir / "more.csv").write_bytes(b"prompt,completion\nWie?,So\n")
    assert bring("more.csv", Columns())[:2] == (1, 1)
    assert [sample.provenance["imported"] for sample in samples()] == ["columns"] * 5 + ["prompt-completion"]


def test_the_snapshot_is_a_recipe_that_later_verbs_need_no_file_for(bring: Import, workdir: Path) -> None:
    bring()
    with Dataset.open(Path("datasets/mine")) as dataset:
        recipe = dataset.recipe()
        assert recipe is not None
        assert (recipe.name, recipe.source and recipe.source.file) == ("mine", "../../rows.jsonl")
        assert (recipe.train.user, recipe.train.assistant) == ("{{q}}", "{{a}}")
        assert ([item.name for item in recipe.export.formats], recipe.export.order) == (["openai-chat"], "given")
    snapshot = workdir / "datasets/mine/recipe.yaml"
    snapshot.write_text(snapshot.read_text() + "curate: [refusal]\n")
    bring()
    assert "refusal" in snapshot.read_text(), "a snapshot that a hand edited stays"


def test_bad_rows_are_problems_and_the_others_come(bring: Import, workdir: Path) -> None:
    (workdir / "rows.jsonl").write_bytes(
        b'{"q":"a","a":"b"}\n{"q":"a"}\n{"q":"a","a":null}\nnonsense\n{"q":"a","a":["x"]}\n{"q":"c","a":"d"}')
    problems: list[Problem] = []
    assert bring(problems=problems)[:2] == (2, 2)
    assert [(p.code, p.where) for p in problems if p.severity == "error"] == [
        ("missing-column", "rows.jsonl:2"), ("null", "rows.jsonl:3"), ("json", "rows.jsonl:4"),
        ("not-a-text", "rows.jsonl:5")]


@pytest.mark.parametrize(("data", "message"), [
    (b"", "holds no row that can be read"), (b"nonsense\n", "rows.jsonl:1: not JSON"), (b'{"a":1}\n', "no column 'q'"),
    (b'{"q":"x","a":null}\n', "no row can be read: rows.jsonl:1: 'a' is null"),
])
def test_where_no_row_can_be_read_nothing_is_written(bring: Import, workdir: Path, data: bytes, message: str) -> None:
    (workdir / "rows.jsonl").write_bytes(data)
    with pytest.raises((DataError, RecipeError)) as caught:
        bring()
    assert message in caught.value.message
    assert not (workdir / "datasets").exists()


def test_a_name_that_can_be_none(workdir: Path) -> None:
    with pytest.raises(RecipeError, match="cannot be a dataset's name"):
        import_rows(Path("datasets/ü b"), Source(file="rows.jsonl"), Columns(), Path(), print)


def test_two_folders(bring: Import, workdir: Path) -> None:
    for folder in ("p", "c"):
        (workdir / folder).mkdir()
        for name in ("b.txt", "A.txt", "a.txt"):
            (workdir / folder / name).write_bytes(f"{folder} {name}\r\n\n".encode())
    (workdir / "p" / "lone.txt").write_bytes(b"")
    problems: list[Problem] = []
    done = bring(None, Columns(), problems, prompts="p/", completions="c/", order="name-ignorecase")
    assert done[:2] == (3, 3)
    assert [problem.code for problem in problems] == ["unpaired"]
    assert [sample.fields for sample in samples()] == [{"name": "A.txt"}, {"name": "a.txt"}, {"name": "b.txt"}]
    assert [(sample.prompt, sample.answer) for sample in samples()] == [
        (f"p {name}\r\n\n", f"c {name}\r\n\n") for name in ("A.txt", "a.txt", "b.txt")]
    with Dataset.open(Path("datasets/mine")) as dataset:
        recipe = dataset.recipe()
    assert recipe is not None
    assert recipe.source is not None
    assert (recipe.source.prompts, recipe.source.order) == ("../../p", "name-ignorecase")
    assert recipe.export.order == "name-ignorecase"
    assert bring(None, Columns(), prompts="p/", completions="c/", order="name")[:4] == (3, 0, 0, 3)
    with pytest.raises(RecipeError, match="--messages"):
        bring(None, Columns(messages="x"), prompts="p/", completions="c/")


def test_another_dataset(bring: Import, workdir: Path) -> None:
    bring()
    done = import_dataset(Path("datasets/other"), Path("datasets/mine"))
    assert done[:4] == (5, 5, 0, 0)
    with Dataset.open(Path("datasets/other")) as other:
        copied = list(other.samples())
        assert other.recipe() is not None
    assert [sample.id for sample in copied] == [sample.id for sample in samples()]
    assert {sample.provenance["copied_from"] for sample in copied} == {"mine"}
    assert import_dataset(Path("datasets/other"), Path("datasets/mine"))[:4] == (5, 0, 0, 5)
    with pytest.raises(DataError, match="into itself"):
        import_dataset(Path("datasets/mine"), Path("datasets/mine"))
    with pytest.raises(DataError, match="no dataset"):
        import_dataset(Path("datasets/other"), Path("datasets/none"))


def test_synopses_as_their_author_wrote_them(bring: Import, shared_data: Path) -> None:
    file = shared_data / "synopses" / "synopses.jsonl"
    assert bring(str(file), Columns(completion="text"))[:2] == (386, 386)
    texts = [json.loads(line)["text"] for line in file.read_text().split("\n") if line]
    assert [sample.messages for sample in samples()] == [[{"role": "assistant", "content": text}] for text in texts]
