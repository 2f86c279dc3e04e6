"""Prompts: what the writer is asked, what the tuned model will see, and unknown names said all at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError, RecipeError
from pipeline.grid.axes import load_axes
from pipeline.grid.draws import wanted
from pipeline.grid.fill import check_templates, fill, salt_of, train_messages
from pipeline.recipe import Recipe, parse_recipe
from pipeline.types import Draw

PLOTS = """\
synth: 1
name: plots
seed: 7
axes:
  genre: [high fantasy, science fiction]
  place: [France, Japan]
prompt:
  system: You write for the screen.
  user: "Imagine a {{genre}} film in {{place}}."
  salt: true
train: {user: "Genre: {{genre}}\\n\\nPLOT OUTLINE: ", assistant: "{{answer}}"}
"""
STEPS = """\
synth: 1
name: tales
axes: {genre: [a, b]}
steps:
- {name: premise, user: "A premise for {{genre}}."}
- {name: plot, user: "{{premise}} Now the plot of this {{genre}}.", system: "{{genre}}"}
train: {system: "You plot.", user: "{{premise}}", assistant: "{{answer}} ({{plot}})"}
"""
ROWS = """\
synth: 1
name: tickets
source: {file: tickets.csv}
train: {user: "{{subject}}\\n{{fields['the body']}}", assistant: "{{label}}"}
"""
CELL = {"genre": "science fiction", "place": "Japan"}


def recipe(text: str = PLOTS, path: Path = Path("plots.yaml")) -> Recipe:
    return parse_recipe(text, path)


def test_the_writer_is_asked_what_the_prompt_says() -> None:
    draw = Draw(CELL)
    code = salt_of(recipe(), draw)
    assert fill(recipe(), draw, {}, 0) == [
        {"role": "system", "content": "You write for the screen."},
        {"role": "user", "content": f"[{code}]\nImagine a science fiction film in Japan."},
    ]


def test_the_training_prompt_is_another_and_has_no_salt() -> None:
    messages = train_messages(recipe(), Draw(CELL), {"answer": "  It begins.\r\n"})
    assert messages == [
        {"role": "user", "content": "Genre: science fiction\n\nPLOT OUTLINE: "},
        {"role": "assistant", "content": "  It begins.\r\n"},
    ]
    assert salt_of(recipe(), Draw(CELL)) not in str(messages)


def test_salt_is_of_seed_cell_repeat_and_row() -> None:
    draw = Draw(CELL)
    same = salt_of(recipe(), draw)
    assert len(same) == 6
    assert salt_of(recipe(), Draw(dict(reversed(CELL.items())))) == same
    others = {same, salt_of(recipe(PLOTS.replace("seed: 7", "seed: 8")), draw), salt_of(recipe(), Draw(CELL, 1)),
              salt_of(recipe(), Draw({**CELL, "place": "France"})), salt_of(recipe(), Draw(CELL, 0, {}, {"row": "x"}))}
    assert len(others) == 5


def test_a_template_that_places_the_salt_itself_gets_no_second_one() -> None:
    text = PLOTS.replace("Imagine", "(case {{salt}}) Imagine")
    draw = Draw(CELL)
    assert fill(recipe(text), draw, {}, 0)[1]["content"].startswith(f"(case {salt_of(recipe(), draw)}) Imagine")
    text = PLOTS.replace("salt: true", "salt: false")
    assert fill(recipe(text), draw, {}, 0)[1]["content"] == "Imagine a science fiction film in Japan."


def test_steps_see_the_answers_of_earlier_ones() -> None:
    tales, draw = recipe(STEPS), Draw({"genre": "a"})
    assert fill(tales, draw, {}, 0) == [{"role": "user", "content": "A premise for a."}]
    assert fill(tales, draw, {"premise": "{{genre}} P"}, 1) == [
        {"role": "system", "content": "a"}, {"role": "user", "content": "{{genre}} P Now the plot of this a."}]
    assert train_messages(tales, draw, {"premise": "P", "plot": "X"}) == [
        {"role": "system", "content": "You plot."}, {"role": "user", "content": "P"},
        {"role": "assistant", "content": "X (X)"}]
    with pytest.raises(RecipeError, match="'premise' is not known here"):
        fill(tales, draw, {}, 1)


@given(st.text(st.characters(exclude_categories=())))
def test_answers_and_values_pass_through_as_they_are(text: str) -> None:
    messages = train_messages(recipe(), Draw({"genre": text, "place": "x"}), {"answer": text})
    assert messages[1]["content"] == text
    assert messages[0]["content"] == f"Genre: {text}\n\nPLOT OUTLINE: "


def test_columns_with_any_name() -> None:
    draw = Draw({}, 0, {"subject": "Hi", "the body": "Printer on fire", "label": "urgent"}, {"row": "r"})
    assert train_messages(recipe(ROWS), draw, {}) == [
        {"role": "user", "content": "Hi\nPrinter on fire"}, {"role": "assistant", "content": "urgent"}]


def test_a_column_of_conversations() -> None:
    text = ROWS[:ROWS.index("train")] + "train: {messages: chat}\n"
    chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}]
    assert train_messages(recipe(text), Draw({}, 0, {"chat": chat}), {}) == chat
    as_text = '[{"role": "user", "content": "é"}, {"role": "assistant", "content": "b"}]'
    assert train_messages(recipe(text), Draw({}, 0, {"chat": as_text}), {})[0]["content"] == "é"
    for bad in ("x", [], [1], [{"content": "a"}], [{"role": "robot", "content": "a"}], [{"role": "user", "content": 3}],
                {"role": "user"}, None, [{"role": "user", "content": "a"}], '[{"role"'):
        with pytest.raises(DataError, match="'chat'"):
            train_messages(recipe(text), Draw({}, 0, {"chat": bad}, {"file": "t.jsonl", "row": "r"}), {})
    turns = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
    assert [m["role"] for m in train_messages(recipe(text), Draw({}, 0, {"chat": turns}), {})] == ["user", "assistant"]
    system = ROWS[:ROWS.index("train")] + "train: {messages: chat, system: Be brief.}\n"
    assert train_messages(recipe(system), Draw({}, 0, {"chat": chat}), {})[0] == {
        "role": "system", "content": "Be brief."}


def test_templates_in_files(tmp_path: Path) -> None:
    (tmp_path / "plot.md").write_text("In {{place}}:\n{{gnre}}\n")
    text = PLOTS.replace('"Imagine a {{genre}} film in {{place}}."', "plot.md")
    broken = parse_recipe(text, tmp_path / "plots.yaml")
    with pytest.raises(RecipeError) as caught:
        check_templates(broken, load_axes(broken), [])
    assert caught.value.message.startswith(f"{tmp_path / 'plot.md'}:2: ")
    (tmp_path / "plot.md").write_text("In {{place}}:\n{{genre}}\n")
    mended = parse_recipe(text, tmp_path / "plots.yaml")
    check_templates(mended, load_axes(mended), [])
    assert fill(mended, Draw(CELL), {}, 0)[1]["content"].endswith("]\nIn Japan:\nscience fiction")


def test_filling_is_fast() -> None:
    import time

    plots = recipe()
    draws = list(wanted(plots)) * 250
    started = time.process_time()
    for draw in draws:
        fill(plots, draw, {}, 0)
    assert time.process_time() - started < 2, "1,000 prompts: compiled once"


# --- unknown names


def faults(text: str, columns: list[str] | None = None) -> list[str]:
    found = recipe(text)
    with pytest.raises(RecipeError) as caught:
        check_templates(found, load_axes(found, columns), columns or [])
    return caught.value.message.split("\n")


def test_all_unknown_names_are_said_at_once_with_their_lines() -> None:
    text = PLOTS.replace("{{genre}} film", "{{gnre}} film").replace("Genre: {{genre}}", "Genre: {{genre}} {{plaice}}")
    assert faults(text) == [
        "plots.yaml:9: 'gnre' in prompt.user is not known; did you mean 'genre'?",
        "plots.yaml:11: line 1 of the template: 'plaice' in train.user is not known; did you mean 'place'?",
    ]


def test_what_is_known_depends_on_the_step() -> None:
    check_templates(recipe(STEPS), load_axes(recipe(STEPS)), [])
    early = STEPS.replace("A premise for", "A premise for {{plot}}")
    assert faults(early) == ["plots.yaml:5: 'plot' in steps.premise.user is the answer of a later step"]
    assert "'answer'" in faults(STEPS.replace("A premise for", "{{answer}}"))[0]
    salt = PLOTS.replace("Genre: {{genre}}", "{{salt}}")
    assert "salt is for the writer's prompt alone" in faults(salt)[0]
    assert "cell" in faults(PLOTS.replace("Genre: {{genre}}", "{{cell.gnre}}"))[0]


def test_columns_are_known_where_there_is_a_source() -> None:
    check_templates(recipe(ROWS), load_axes(recipe(ROWS)), ["subject", "the body", "label"])
    said = faults(ROWS, ["subjct", "body", "label"])
    assert len(said) == 2
    assert "'subject' in train.user is not known; did you mean 'subjct'?" in said[0]
    assert "the body" in said[1]
    said = faults(ROWS.replace('"{{label}}"', '"{{answer}}"'), ["subject", "the body", "label"])
    assert "no prompt" in said[0]
    check_templates(recipe(ROWS.replace("{{label}}", "{{answer}}")), load_axes(recipe(ROWS)),
                    ["subject", "the body", "answer"])
    messages = ROWS[:ROWS.index("train")] + "train: {messages: caht}\n"
    said = faults(messages, ["chat"])
    assert said == ["plots.yaml:4: train.messages: there is no column 'caht'; did you mean 'chat'?"]


def test_a_name_for_two_things() -> None:
    both = ROWS + "axes: {label: [a]}\nprompt: {user: 'x'}\n"
    assert "'label'" in faults(both, ["label", "subject", "the body"])[0]
    steps = ROWS + "steps: [{name: label, user: x}]\n"
    assert "'label'" in faults(steps, ["label", "subject", "the body"])[0]


def test_faults_of_syntax_are_said_too() -> None:
    assert faults(PLOTS.replace("{{place}}", "{{place"))[0].startswith("plots.yaml:9: ")
    two = PLOTS.replace("{{place}}", "{{place").replace("Genre: {{genre}}", "{{gnre}}")
    assert len(faults(two)) == 2, "and with them the names of the others"
