"""Draws from rows that exist already: which rows, crossed with axes, and rows that cannot be used."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from pipeline.errors import DataError, RecipeError
from pipeline.grid.draws import wanted
from pipeline.grid.fill import train_messages
from pipeline.recipe import Recipe, load_recipe
from pipeline.types import Draw, Problem

TRAIN = 'train: {user: "{{subject}}", assistant: "{{label}}"}\n'
CSV = "subject,label,body\nPrinter,urgent,on fire\nMouse,low,squeaks\nPrinter,urgent,on fire\nScreen,low,dark\n"


@pytest.fixture
def make(tmp_path: Path):
    def recipe(source: str = "{file: tickets.csv}", more: str = "", data: str | bytes = CSV, train: str = TRAIN,
               name: str = "tickets.csv") -> Recipe:
        (tmp_path / name).write_bytes(data.encode() if isinstance(data, str) else data)
        text = f"synth: 1\nname: tickets\nseed: 3\nsource: {source}\n{more}{train}"
        (tmp_path / "tickets.yaml").write_text(text, encoding="utf-8")
        return load_recipe(tmp_path / "tickets.yaml")
    return recipe


def drawn(recipe: Recipe, problems: int = 0, **options: object) -> list[Draw]:
    found: list[Problem] = []
    draws = list(wanted(recipe, problem=found.append, **options))
    assert len([p for p in found if p.severity == "error"]) == problems, found
    return draws


def fault(recipe: Recipe, kind: type = RecipeError) -> RecipeError:
    with pytest.raises(kind) as caught:
        list(wanted(recipe))
    return caught.value


def test_each_row_is_a_draw_that_says_where_it_is_from(make, tmp_path: Path) -> None:
    draws = drawn(make())
    assert [draw.fields["subject"] for draw in draws] == ["Printer", "Mouse", "Printer", "Screen"]
    assert all(draw.cell == {} and draw.repeat == 0 for draw in draws)
    data = (tmp_path / "tickets.csv").read_bytes()
    for draw in draws:
        source = draw.source
        assert source is not None
        assert source["file"] == "tickets.csv", "as it is written in the recipe"
        assert set(source) >= {"file", "digest", "row", "start", "end"}
        assert data[source["start"]:source["end"]].decode().startswith(draw.fields["subject"])
    assert len({draw.key for draw in draws}) == 4, "equal rows are two"
    assert len({draw.source["digest"] for draw in draws}) == 1


def test_a_row_keeps_its_name_when_others_come_and_go(make) -> None:
    before = {draw.key for draw in drawn(make())}
    header, *lines = CSV.splitlines()
    moved = "\n".join([header, *lines[::-1]]) + "\n"
    assert {draw.key for draw in drawn(make(data=moved))} == before
    fewer = "\n".join([header, *lines[1:]]) + "\n"
    assert len({draw.key for draw in drawn(make(data=fewer))} & before) == 3
    more = CSV + "Desk,low,wobbles\n"
    assert len({draw.key for draw in drawn(make(data=more))} & before) == 4


def test_conditions_on_columns(make) -> None:
    recipe = make("{file: tickets.csv, where: [\"label == 'low'\", \"body != 'dark'\"]}")
    assert [draw.fields["subject"] for draw in drawn(recipe)] == ["Mouse"]
    recipe = make("{file: tickets.csv, where: [\"fields['label'] == 'low'\"], rows: 1}")
    assert [draw.fields["subject"] for draw in drawn(recipe)] == ["Mouse"]
    error = fault(make("\n  file: tickets.csv\n  where: [\"lable == 'low'\"]"))
    assert error.message.startswith("tickets.yaml:6: 'lable'")
    assert error.hint == "did you mean 'label'?"
    error = fault(make("{file: tickets.csv, where: [\"label == 'none'\"]}"))
    assert "none of the 4 rows" in error.message
    error = fault(make("{file: tickets.csv, where: ['label < 3']}"))
    assert "TypeError" in error.message


def test_jsonl_rows_that_cannot_be_used_are_problems(make) -> None:
    rows = [{"subject": "a", "label": "x"}, {"subject": "b"}, {"subject": None, "label": "x"},
            {"subject": "c", "label": "y"}]
    data = "".join(json.dumps(row) + "\n" for row in rows)
    recipe = make("{file: t.jsonl}", data=data, name="t.jsonl")
    problems: list[Problem] = []
    draws = list(wanted(recipe, problem=problems.append))
    assert [draw.fields["subject"] for draw in draws] == ["a", "c"]
    assert [(p.code, p.where.rpartition("/")[2]) for p in problems] == [
        ("missing-column", "t.jsonl:2"), ("null-column", "t.jsonl:3")]
    assert "'label'" in problems[0].message
    assert "default" in problems[0].fix
    tolerant = make("{file: t.jsonl}", data=data, name="t.jsonl",
                    train="train: {user: \"{{subject or '-'}}\", assistant: \"{{label|default('none')}}\"}\n")
    draws = drawn(tolerant)
    assert [train_messages(tolerant, draw, {})[1]["content"] for draw in draws] == ["x", "none", "x", "y"]
    where = make("{file: t.jsonl, where: [\"label == 'x'\"]}", data=data, name="t.jsonl")
    assert len(drawn(where, problems=2)) == 1
    missing = make("{file: t.jsonl}", data='{"subject": "a", "label": "x"}\n{"label": "y"}\n', name="t.jsonl",
                   train="train: {user: \"{{fields['subject']}}\", assistant: '{{label}}'}\n")
    assert len(drawn(missing, problems=1)) == 1


def test_conversations(make) -> None:
    rows = [{"chat": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, {"chat": "x"},
            {"other": 1}]
    data = "".join(json.dumps(row) + "\n" for row in rows)
    recipe = make("{file: t.jsonl}", data=data, name="t.jsonl", train="train: {messages: chat}\n")
    draws = drawn(recipe, problems=2)
    assert train_messages(recipe, draws[0], {}) == rows[0]["chat"]


def test_parquet_rows(make, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    table = pa.table({"subject": ["a", "a", "b"], "label": ["x", "x", "y"]})
    pq.write_table(table, tmp_path / "real.parquet")
    recipe = make("{file: t.parquet}", data=(tmp_path / "real.parquet").read_bytes(), name="t.parquet")
    assert len({draw.key for draw in drawn(recipe)}) == 3


AXES = "axes:\n  tone: [calm, harsh, merry]\n  length: [short, long]\nprompt: {user: 'Write {{subject}} {{tone}}'}\n"


def test_rows_are_crossed_with_axes(make) -> None:
    draws = drawn(make(more=AXES))
    assert len(draws) == 4
    assert all(set(draw.cell) == {"tone", "length"} for draw in draws)
    twice = drawn(make(more=AXES + "sample: {repeats: 3}\n"))
    assert [draw.repeat for draw in twice] == [0, 1, 2] * 4
    by_row = Counter(draw.source["row"] for draw in twice)
    assert set(by_row.values()) == {3}
    assert len({(draw.source["row"], *draw.cell.values()) for draw in twice}) == 12, "another cell for each repeat"
    assert {draw.key for draw in draws} <= {draw.key for draw in twice}
    full = drawn(make(more=AXES + "sample: {how: product}\n"))
    assert len({draw.key for draw in full}) == 4 * 6
    many = drawn(make(more=AXES + "sample: {repeats: 9}\n"))
    assert len({draw.key for draw in many}) == 36


def test_a_rows_cell_does_not_depend_on_other_rows(make) -> None:
    before = {draw.key for draw in drawn(make(more=AXES))}
    after = {draw.key for draw in drawn(make(more=AXES, data=CSV.replace("Mouse,low,squeaks\n", "")))}
    assert len(before & after) == 3


def test_conditions_over_cell_and_columns(make) -> None:
    rules = "where: [\"label != 'urgent' or tone == 'calm'\"]\n"
    draws = drawn(make(more=AXES + rules + "sample: {repeats: 2}\n"))
    assert len(draws) == 8
    assert all(draw.cell["tone"] == "calm" for draw in draws if draw.fields["label"] == "urgent")
    none = "where: [\"label != 'urgent' or tone == 'blue'\"]\n"
    assert len(drawn(make(more=AXES + none), problems=2)) == 2
    error = fault(make(more=AXES + "where: [\"lable != 'urgent'\"]\n"))
    assert "'lable'" in error.message
    assert error.hint == "did you mean 'label'?"
    assert "'subject'" in fault(make(more="axes: {subject: [a, b]}\nprompt: {user: x}\n")).message


def big(count: int) -> str:
    return "subject,label\n" + "".join(f"s{i},l{i % 7}\n" for i in range(count))


def test_two_folders(make, tmp_path: Path) -> None:
    for folder in ("prompts", "completions"):
        (tmp_path / folder).mkdir()
        for name in ("a.txt", "b.txt"):
            (tmp_path / folder / name).write_text(f"{folder} {name}")
    train = "train: {user: '{{prompt}}', assistant: '{{completion}}'}\n"
    draws = drawn(make("{prompts: prompts, completions: completions, where: [\"name != 'a.txt'\"]}", train=train))
    assert [train_messages(make(train=train), draw, {})[1]["content"] for draw in draws] == ["completions b.txt"]


def test_answers_alone(make) -> None:
    recipe = make(train="train: {assistant: '{{body}}'}\n")
    assert train_messages(recipe, drawn(recipe)[0], {}) == [{"role": "assistant", "content": "on fire"}]


def test_a_template_that_names_no_column_is_said_before_any_row_is_read(make) -> None:
    error = fault(make(train="train: {user: '{{subjct}}', assistant: '{{label}}'}\n"))
    assert error.message.startswith("tickets.yaml:5: ")
    assert "'subject'" in error.message


def test_a_sample_of_rows_is_stable(make) -> None:
    some = {draw.key for draw in drawn(make(more="sample: {rows: 100}\n", data=big(1000)))}
    assert len(some) == 100
    more = {draw.key for draw in drawn(make(more="sample: {rows: 150}\n", data=big(1000)))}
    assert some <= more
    grown = {draw.key for draw in drawn(make(more="sample: {rows: 100}\n", data=big(1100)))}
    assert len(some & grown) >= 80
    first = drawn(make(more="sample: {rows: 100, how: first}\n", data=big(1000)))
    assert [draw.fields["subject"] for draw in first] == [f"s{i}" for i in range(100)]
    odd = drawn(make(more="sample: {rows: 100, repeats: 3}\n", data=big(1000)))
    assert len(odd) == 100
    assert len({draw.source["row"] for draw in odd}) == 34


def test_shards_of_rows(make) -> None:
    recipe = make(more="sample: {rows: 100}\n", data=big(1000))
    whole = [draw.key for draw in drawn(recipe)]
    parts = [[draw.key for draw in drawn(recipe, shard=(i, 3))] for i in range(3)]
    assert sorted(key for part in parts for key in part) == sorted(whole)
    assert min(map(len, parts)) == 33


def test_what_a_source_cannot_be(make, tmp_path: Path) -> None:
    error = fault(make("{file: ticket.csv}"))
    assert error.message.startswith("tickets.yaml:4: ")
    assert error.hint == "did you mean 'tickets.csv'?"
    error = fault(make(more="sample: {rows: 9}\n"))
    assert "4 rows x 1 repeat" in error.message
    assert "repeats: 3" in error.hint
    for how in ("pairwise", "balanced"):
        assert how in fault(make(more=AXES + f"sample: {{how: {how}}}\n")).message
    assert "rows" in fault(make(more=AXES + "sample: {how: product, rows: 3}\n")).hint
    assert fault(make(data="subject,label\n"), DataError).exit_code == 4
    large = "axes:\n" + "".join(f"  a{i}: {{numbers: {{min: 1, max: 99}}}}\n" for i in range(4)) + "prompt: {user: x}\n"
    assert "96,059,601 cells" in fault(make(more=large + "sample: {how: product}\n")).message
    assert len(drawn(make(more=large))) == 4


def test_real_tasks(shared_data: Path, tmp_path: Path) -> None:
    text = (f"synth: 1\nname: tasks\nsource: {{file: {shared_data / 'seed-tasks' / 'seed_tasks.jsonl'}, "
            "where: [not is_classification]}\n"
            "train: {user: '{{instruction}}\n\n{{instances[0].input}}', assistant: '{{instances[0].output}}'}\n")
    (tmp_path / "tasks.yaml").write_text(text.replace("\n\n{{", "{{"))
    recipe = load_recipe(tmp_path / "tasks.yaml")
    draws = drawn(recipe)
    assert 100 < len(draws) < 175
    assert all(train_messages(recipe, draw, {})[1]["content"] for draw in draws)
