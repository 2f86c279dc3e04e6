"""The three ways to begin; each is a recipe that is understood, and nothing is ever overwritten."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands import main
from pipeline.errors import DataError, RecipeError
from pipeline.grid.axes import load_axes
from pipeline.grid.check import check_templates
from pipeline.locate import shipped
from pipeline.recipe import load_recipe
from pipeline.starters import copy_starter, look_at, write_blank, write_from

TICKETS = (
    "id,subject,body,label\n1,Printer on fire,\"It smokes, please\ncome.\",hardware\n"
    "2,Cannot log in,Is it me?,account\n3,Invoice twice,You charged me twice.,billing\n"
    "4,Screen dark,Nothing to see,hardware\n5,Refund,Where is it?,billing\n6,Reset,The link is dead,account\n")


@pytest.fixture
def here(workdir: Path) -> Path:
    return Path()


def test_a_blank_recipe_is_twelve_lines_that_mean_something(here: Path) -> None:
    path = write_blank("mine", here)
    assert str(path) == "mine.yaml"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == 12
    recipe = load_recipe(path)
    axes = load_axes(recipe)
    check_templates(recipe, axes, [])
    assert (recipe.name, axes.size) == ("mine", 36)
    assert "of the 36 combinations" in path.read_text()
    assert recipe.generate.model is None


@pytest.mark.parametrize("name", ["007", "true", "1e5", "null", "2026-11-20", "a.b-c_d"])
def test_names_that_yaml_would_read_as_something_else(here: Path, name: str) -> None:
    assert load_recipe(write_blank(name, here)).name == name
    assert load_recipe(copy_starter(f"{name}x", here, "plots")[0]).name == f"{name}x"


def test_a_starter_is_copied_whole(here: Path) -> None:
    written = copy_starter("plots", here)
    home = shipped()["plots"]
    assert written[0] == Path("plots/recipe.yaml")
    assert {path.relative_to("plots") for path in written} == {
        path.relative_to(home) for path in home.rglob("*") if path.is_file()}
    for path in written:
        assert path.read_bytes() == (home / path.relative_to("plots")).read_bytes()


def test_a_starter_under_another_name(here: Path) -> None:
    (path, *_) = copy_starter("mine", here, "plots")
    recipe, original = load_recipe(path), load_recipe(shipped()["plots"] / "recipe.yaml")
    assert recipe.name == "mine"
    assert recipe.text.replace("name: mine", "name: plots") == original.text
    assert recipe.template(recipe.asks[0].user)


@pytest.mark.parametrize(("name", "template", "message"), [
    ("tales", None, "there is no starter 'tales'"), ("plot", None, "there is no starter 'plot'"),
    ("mine", "plto", "there is no starter 'plto'"), ("../x", "plots", "cannot be a recipe's name"),
])
def test_starters_that_are_not_there(here: Path, name: str, template: str | None, message: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(message)) as caught:
        copy_starter(name, here, template)
    assert caught.value.hint
    assert not list(here.iterdir())


def test_nothing_is_overwritten(here: Path) -> None:
    (here / "plots").mkdir()
    (here / "plots" / "README.md").write_text("mine")
    (here / "own.yaml").write_text("mine")
    (here / "rows.csv").write_text(TICKETS)
    looked = look_at("rows.csv", here)
    with pytest.raises(DataError, match=r"plots/README\.md: is there already"):
        copy_starter("plots", here)
    for attempt in (lambda: write_blank("own", here), lambda: copy_starter("own", here, "plots"),
                    lambda: write_from("own", here, looked)):
        with pytest.raises(DataError, match=r"own\.yaml: is there already; nothing was written"):
            attempt()
    assert sorted(str(path) for path in here.rglob("*")) == ["own.yaml", "plots", "plots/README.md", "rows.csv"]


def test_a_table_of_labels(here: Path) -> None:
    (here / "tickets.csv").write_text(TICKETS)
    looked = look_at("tickets.csv", here)
    assert looked.classes == {"hardware": 2, "account": 2, "billing": 2}
    assert [message["content"] for message in looked.examples[0]] == [
        "Printer on fire\nIt smokes, please\ncome.", "hardware"]
    assert len(looked.examples) == 3
    recipe = load_recipe(write_from("tickets", here, looked))
    assert recipe.source is not None
    assert recipe.source.file == "tickets.csv"
    assert (recipe.train.user, recipe.train.assistant) == ("{{subject}}\n{{body}}", "{{label}}")
    assert "# classes: hardware 2, account 2, billing 2" in recipe.text


@pytest.mark.parametrize(("rows", "train"), [
    ([{"synopsis": f"A story of {n}.", "outline": f"One. Two. {n}"} for n in range(5)],
     {"user": "{{synopsis}}", "assistant": "{{outline}}"}),
    ([{"name": f"x{n}.txt", "text": f"A story of {n}."} for n in range(5)], {"assistant": "{{text}}"}),
    ([{"stars": n % 2, "review": f"It was number {n}."} for n in range(9)], {"assistant": "{{review}}"}),
    ([{"sentiment": n % 2 == 0, "review": f"It was number {n}."} for n in range(9)],
     {"user": "{{review}}", "assistant": "{{sentiment}}"}),
    ([{"Ticket text": f"It is {n} now", "class": "ab"[n % 2]} for n in range(9)],
     {"user": "{{fields['Ticket text']}}", "assistant": "{{fields['class']}}"}),
    ([{"instruction": f"Do {n}.", "input": "", "output": f"Done {n}."} for n in range(5)],
     {"user": "{{instruction}}{% if input is defined and input %}\n\n{{input}}{% endif %}", "assistant": "{{output}}"}),
    ([{"instruction": f"Do the thing {n}.", "instances": [{"input": f"in {n}", "output": f"Done {n}."}]}
      for n in range(5)],
     {"user": "{{instruction}}\n{{instances[0].input}}", "assistant": "{{instances[0].output}}"}),
    ([{"instruction": f"Do the thing {n}.", "instances": [{"input": f"in {n}" * (n % 2), "output": f"Done {n}."}]}
      for n in range(5)],
     {"user": "{{instruction}}{% if instances[0].input is defined and instances[0].input %}\n{{instances[0].input}}"
              "{% endif %}", "assistant": "{{instances[0].output}}"}),
    ([{"query": f"What is {n}?", "reply": {"answer": f"It is {n}.", "score": n}} for n in range(5)],
     {"user": "{{query}}", "assistant": "{{reply.answer}}"}),
])
def test_guesses(here: Path, rows: list[dict[str, Any]], train: dict[str, str]) -> None:
    (here / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    looked = look_at("rows.jsonl", here)
    if "class" in rows[0]:
        train = {**train, "assistant": "{{class}}"}
    assert looked.train == train
    load_recipe(write_from("mine", here, looked))


def test_a_column_that_is_empty_in_some_rows_leaves_no_line_there(here: Path) -> None:
    rows = [{"subject": f"Ticket number {n}", "message body": f"It is {n} now" * (n % 2), "category": "ab"[n % 2]}
            for n in range(9)]
    (here / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    looked = look_at("rows.jsonl", here)
    prompts = [example[0]["content"] for example in looked.examples]
    assert prompts == ["Ticket number 0", "Ticket number 1\nIt is 1 now", "Ticket number 2"]
    write_from("mine", here, looked)
    assert main(["generate", "mine"]) == 0
    lines = (here / "datasets" / "mine" / "samples.jsonl").read_text().splitlines()
    trained = sorted(json.loads(line)["messages"][0]["content"] for line in lines)
    assert trained == [f"Ticket number {n}" + f"\nIt is {n} now" * (n % 2) for n in range(9)]


def tabled(columns: str, *rows: str, times: int = 1) -> str:
    return "\n".join([columns.replace(" ", ";"), *rows * times]) + "\n"


@pytest.mark.parametrize(("table", "read", "unused", "others"), [
    (tabled("subject message category", *(f"Ticket {n};Text of ticket {n};kind{n % 6}" for n in range(11))),
     ("{{subject}}\n{{message}}", "{{category}}"), [], []),
    (tabled("question answer category", *(f"What is {n}?;It is {n}.;kind {n % 3}" for n in range(12))),
     ("{{question}}", "{{answer}}"), ["category"], ["category"]),
    (tabled("id subject queue priority",
            *(f"{n};Text of ticket {n};{['Customer Service', 'Billing', 'IT'][n % 3]};{['low', 'high'][n % 2]}"
              for n in range(12))),
     ("{{subject}}", "{{priority}}"), ["id", "queue"], ["queue"]),
    (tabled("question answer", *(f"Is it so, {n % 2}?;It is {n}, that is so." for n in range(12))),
     ("{{question}}", "{{answer}}"), [], []),
])
def test_a_guess_says_what_else_it_could_be(
    here: Path, table: str, read: tuple[str, str], unused: list[str], others: list[str]
) -> None:
    (here / "rows.csv").write_text(table)
    looked = look_at("rows.csv", here)
    assert (looked.train.get("user"), looked.train["assistant"]) == read
    assert (looked.unused, looked.others) == (unused, others)
    text = write_from("mine", here, looked).read_text()
    assert ("# not used: " in text) == bool(unused)


def test_classes_that_should_be_mended_are_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"Text of ticket {n};{'Billing' if n < 5 else 'fraud' if n < 10 else '' if n < 14 else 'billing'}"
            for n in range(204)]
    (here / "tickets.csv").write_text(tabled("text label", *rows))
    assert main(["init", "tickets", "--from", "tickets.csv"]) == 0
    said = capsys.readouterr().err
    assert "label  3 classes: billing 190, Billing 5, fraud 5" in said
    assert "note   4 rows without a label" in said
    assert "note   'billing' and 'Billing' are two classes: they differ in case or spaces only" in said
    assert "note   few rows of Billing 5, fraud 5, where another class has 190" in said


def test_conversations_are_recognised(here: Path) -> None:
    turns = [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]
    (here / "rows.jsonl").write_text(json.dumps({"conversations": turns}) + "\n")
    recipe = load_recipe(write_from("mine", here, look_at("rows.jsonl", here)))
    assert recipe.source is not None
    assert (recipe.source.format, recipe.train.messages) == ("sharegpt", "conversations")
    assert [item.name for item in recipe.export.formats] == ["sharegpt"]


@pytest.mark.parametrize(("data", "message"), [
    (b"", "holds no row that can be read"), (b"n,m\n1,2\n3,4\n", "no column of it holds text"),
    (b"id,question\n1,Why is it so?\n2,And what then?\n", "no column of it holds text that could be an answer"),
    ("text\nGröße\n".encode("cp1252"), "is not utf-8"),
])
def test_files_that_teach_nothing(here: Path, data: bytes, message: str) -> None:
    (here / "rows.csv").write_bytes(data)
    with pytest.raises(DataError, match=message):
        look_at("rows.csv", here)


def test_as_it_is_typed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "tickets.csv").write_text(TICKETS)
    assert main(["init", "tickets", "--from", "tickets.csv"]) == 0
    done = capsys.readouterr()
    assert done.out.splitlines()[:3] == [
        "3 rows as they will be trained", " 1  user       Printer on fire ⏎ It smokes, please ⏎ come.",
        "    assistant  hardware"]
    assert "label  3 classes: hardware 2, account 2, billing 2" in done.err
    wrote, after = done.err.splitlines()[-2:]
    assert wrote == "wrote  tickets.yaml"
    assert after.startswith("next   synth run tickets   # ")
    assert main(["init", "tickets", "--from", "tickets.csv"]) == 4
    assert main(["init", "tales"]) == 2
    err = capsys.readouterr().err
    assert re.search(r"starters: .*\bplots\b", err)
    assert "synth init tales --blank" in err
    assert main(["init", "mine", "--blank", "--from", "tickets.csv"]) == 2
    (here / "latin.csv").write_bytes("text\nGröße\n".encode("cp1252"))
    capsys.readouterr()
    assert main(["init", "latin", "--from", "latin.csv"]) == 4
    assert "synth init latin --from latin.csv --encoding cp1252" in capsys.readouterr().err
    assert main(["init", "latin", "--from", "latin.csv", "--encoding", "cp1252"]) == 0
    assert "encoding: cp1252" in (here / "latin.yaml").read_text()
    assert main(["init", "mine", "--blank"]) == 0
    assert main(["init", "plots"]) == 0


def test_a_label_that_some_rows_lack_is_still_a_label(tmp_path: Path) -> None:
    rows = [f"text number {i},{('red', 'blue')[i % 2] if i != 3 else ''}" for i in range(10)]
    (tmp_path / "rows.csv").write_text("words,colour\n" + "\n".join(rows) + "\n")
    looked = look_at("rows.csv", tmp_path)
    assert looked.classes == {"red": 5, "blue": 4}
    assert looked.train["assistant"] == "{{colour}}"
