"""Examples in a prompt: which rows of a file each draw is shown, and what is said of a file that will not do."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipeline.errors import DataError, RecipeError
from pipeline.grid.doubts import doubts
from pipeline.grid.draws import wanted
from pipeline.grid.fill import fill
from pipeline.grid.shots import shown
from pipeline.recipe import Recipe, load_recipe
from pipeline.types import Draw

SHOW = "{% for e in examples %}Q: {{ e.ask }}\\nA: {{ e.say }}\\n{% endfor %}Q: about {{topic}}\\nA:"
AXES = "axes: {topic: {numbers: {min: 1, max: 40}}}\n"
ROWS = [{"ask": f"question {number}", "say": f"answer {number}", "level": number % 3} for number in range(30)]
Make = Callable[..., Recipe]


def lines(rows: Sequence[object]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def recipe(rows: Sequence[object] | str = ROWS, examples: str = "{file: seed.jsonl, n: 3}", user: str = SHOW,
               head: str = AXES, name: str = "seed.jsonl", train: str = "{{topic}}") -> Recipe:
        (tmp_path / name).write_text(rows if isinstance(rows, str) else lines(rows))
        (tmp_path / "quiz.yaml").write_text(
            f'synth: 1\nname: quiz\nseed: 5\n{head}prompt:\n  user: "{user}"\n  examples: {examples}\n'
            f'train: {{user: "{train}"}}\n')
        return load_recipe(tmp_path / "quiz.yaml")
    return recipe


def picked(recipe: Recipe) -> dict[str, list[str]]:
    """Draw -> the answers that its prompt shows, in their order."""
    found = {}
    for draw in wanted(recipe):
        text = fill(recipe, draw, {}, 0)[-1]["content"]
        found[draw.key] = [line[3:] for line in text.splitlines() if line.startswith("A: ")]
    return found


def fault(recipe: Recipe, kind: type = RecipeError) -> RecipeError:
    with pytest.raises(kind) as caught:
        list(wanted(recipe))
    return caught.value


def test_each_draw_is_shown_three_rows_and_every_row_its_share(make: Make) -> None:
    found = picked(make())
    assert all(len(set(rows)) == 3 for rows in found.values())
    assert len(set(map(tuple, found.values()))) > 35, "draws are shown different rows"
    counts = Counter(row for rows in found.values() for row in rows)
    assert len(counts) == 30
    assert max(counts.values()) <= 12, "40 draws x 3 of 30 rows: 4 each on average"


def test_order_layout_name_and_copies_of_a_line_change_nothing(make: Make) -> None:
    before = picked(make())
    assert picked(make(ROWS[::-1])) == before
    assert picked(make([*ROWS, ROWS[4], ROWS[4]])) == before
    spaced = "".join(json.dumps(dict(reversed(row.items())), indent=None, separators=(", ", ":  ")) + "\r\n\n"
                     for row in ROWS)
    assert picked(make(spaced)) == before
    assert picked(make(name="other.jsonl", examples="{file: other.jsonl, n: 3}")) == before


def test_a_line_more_changes_only_the_draws_that_it_wins(make: Make) -> None:
    before = picked(make())
    after = picked(make([*ROWS, {"ask": "new", "say": "new", "level": 9}]))
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {key for key, rows in after.items() if "new" in rows}
    assert 0 < len(changed) < 14, "3 of 31 on average"
    for key in changed:
        assert len(set(before[key]) & set(after[key])) == 2
    fewer = picked(make(ROWS[1:]))
    assert {key for key in before if before[key] != fewer[key]} == {k for k, r in before.items() if "answer 0" in r}


def test_another_seed_and_another_repeat_are_shown_others(make: Make, tmp_path: Path) -> None:
    before = picked(make())
    text = (tmp_path / "quiz.yaml").read_text()
    (tmp_path / "quiz.yaml").write_text(text.replace("seed: 5", "seed: 6"))
    other = picked(load_recipe(tmp_path / "quiz.yaml"))
    assert sum(before[key] != other[key] for key in before) > 35
    recipe = make()
    first, second = (fill(recipe, Draw({"topic": 1}, repeat), {}, 0) for repeat in (0, 1))
    assert first != second


def test_where_takes_a_part_of_the_file(make: Make) -> None:
    found = picked(make(examples='{file: seed.jsonl, n: 2, where: ["level == 1", "not (ask in [\'question 4\'])"]}'))
    shown = {row for rows in found.values() for row in rows}
    assert shown == {f"answer {number}" for number in range(1, 30, 3) if number != 4}


def test_csv_and_parquet_are_read_by_the_one_reader(make: Make, tmp_path: Path) -> None:
    texts = [{key: str(value) for key, value in row.items()} for row in ROWS]
    before = picked(make(texts))
    table = "ask,say,level\n" + "".join(f"{row['ask']},{row['say']},{row['level']}\n" for row in ROWS)
    assert picked(make(table, name="seed.csv", examples="{file: seed.csv, n: 3}")) == before
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    pq.write_table(pyarrow.Table.from_pylist(texts), tmp_path / "seed.parquet")
    assert picked(make(examples="{file: seed.parquet, n: 3}")) == before


SOURCE = "source: {file: seed.jsonl}\n"
ASKS = "{% for e in examples %}{{ e.ask }} A: {{ e.say }}\\n{% endfor %}Q: {{ask}}"


def test_a_row_is_never_its_own_example(make: Make) -> None:
    rows = [*ROWS[:6], ROWS[2]]
    recipe = make(rows, head=SOURCE, user=ASKS, train="{{ask}}", examples="{file: seed.jsonl, n: 5}")
    seen = 0
    for draw in wanted(recipe):
        text = fill(recipe, draw, {}, 0)[-1]["content"]
        assert f"A: {draw.fields['say']}" not in text, "nor a twin of it in the same file"
        assert text.count("A: ") == 5
        seen += 1
    assert seen == 7
    error = fault(make(rows, head=SOURCE, user=ASKS, train="{{ask}}", examples="{file: seed.jsonl, n: 6}"))
    assert "quiz.yaml:7: n: 6 examples are wanted" in error.message
    assert "6 different rows" in error.message
    assert "none is its own" in error.message


def test_where_a_copy_under_another_name_leaves_too_few(make: Make, tmp_path: Path) -> None:
    (tmp_path / "copy.jsonl").write_text(lines(ROWS[:3]))
    recipe = make(ROWS[:3], head="source: {file: copy.jsonl}\n", user=ASKS, train="{{ask}}")
    draw = next(wanted(recipe))
    with pytest.raises(RecipeError, match="2 rows can be shown beside this one, and n is 3"):
        fill(recipe, draw, {}, 0)


def test_missing_columns_are_named_all_at_once(make: Make) -> None:
    error = fault(make(user="{% for e in examples %}{{ e.aks }}{{ e['sya']|upper }}{{ e.ask }}{% endfor %}"
                            "{{ (examples|first).nought }}{{ examples[0].none }}"
                            "{{ examples|join(' ', attribute='sai') }}"
                            "{% for e in examples if e.lvl > 1 %}{{ e.any|default('-') }}{% endfor %}{{topic}}"))
    for name in ("aks", "sya", "nought", "none", "sai", "lvl"):
        assert f"no row of seed.jsonl has '{name}'" in error.message
    assert "'any'" not in error.message
    assert "has 'ask'" not in error.message
    assert "ask, say, level" in error.hint


def test_a_row_that_cannot_be_shown_is_left_out_and_said(make: Make) -> None:
    rows = lines(ROWS[:5]) + '{"ask": "no answer"}\n{"ask": "null", "say": null}\nnot json\n'
    recipe = make(rows)
    shown = {row for found in picked(recipe).values() for row in found}
    assert shown == {f"answer {number}" for number in range(5)}
    (said,) = [each for each in doubts(recipe) if "seed.jsonl" in each]
    assert "3 of 8 rows" in said
    assert "are never shown" in said
    assert "seed.jsonl:8" in said or "seed.jsonl:6" in said


def test_a_condition_that_fails_on_a_row_leaves_that_row_out(make: Make) -> None:
    recipe = make([*ROWS, {"ask": "x", "say": "y", "level": "high"}], examples="{file: seed.jsonl, where: [level < 2]}")
    assert len(picked(recipe)) == 40
    (said,) = doubts(recipe)
    assert "1 of 21 rows of seed.jsonl is never shown: seed.jsonl:31: " in said


@pytest.mark.parametrize(("change", "words"), [
    ({"user": "Write about {{topic}}."}, "quiz.yaml:7: `examples` are drawn, and no template of prompt mentions them"),
    ({"examples": "{file: sed.jsonl}"}, "quiz.yaml:7: no file"),
    ({"examples": "{file: seed.jsonl, where: [levl == 1]}"}, "'levl' in the condition"),
    ({"examples": "{file: seed.jsonl, where: [level == 9]}"}, "leave none of the 30 rows of seed.jsonl"),
    ({"examples": "{file: seed.jsonl, n: 31}"}, "n: 31 examples are wanted, and seed.jsonl has 30 different rows"),
    ({"rows": "", }, "no row that can be read"),
    ({"train": "{{examples}}"}, "examples are for the writer's prompt alone"),
    ({"head": "axes: {topic: [a], examples: [b]}\n"}, "'examples' names two things"),
])
def test_what_cannot_be_meant_is_refused_before_anything_is_drawn(
    make: Make, change: dict[str, str], words: str
) -> None:
    with pytest.raises((RecipeError, DataError)) as caught:
        list(wanted(make(**change)))
    assert words in caught.value.message


def test_a_template_without_examples_hears_how_to_have_some(make: Make, tmp_path: Path) -> None:
    make()
    text = (tmp_path / "quiz.yaml").read_text().replace("  examples: {file: seed.jsonl, n: 3}\n", "")
    (tmp_path / "quiz.yaml").write_text(text)
    error = fault(load_recipe(tmp_path / "quiz.yaml"))
    assert "'examples' in prompt.user is not known: `examples: {file: seed.jsonl, n: 3}` beside it" in error.message


def test_what_a_row_was_shown_is_known(make: Make) -> None:
    recipe = make()
    draw = next(wanted(recipe))
    (name, refs), = shown(recipe, draw).items()
    assert name == "answer"
    numbers = [int(row.removeprefix("answer ")) + 1 for row in picked(recipe)[draw.key]]
    assert [(ref["file"], ref["number"]) for ref in refs] == [("seed.jsonl", number) for number in numbers]
    assert len({ref["row"] for ref in refs}) == 3


def test_real_seed_tasks(make: Make, shared_data: Path) -> None:
    text = (shared_data / "seed-tasks" / "seed_tasks.jsonl").read_text()
    user = "{% for e in examples %}{{ e.instruction }}\\n{{ e.instances[0].output }}\\n---\\n{% endfor %}{{topic}}"
    recipe = make(text, user=user, examples="{file: seed.jsonl, n: 4, where: [not is_classification]}")
    tasks = [json.loads(line) for line in text.splitlines()]
    draws = list(wanted(recipe))
    for draw in draws:
        prompt = fill(recipe, draw, {}, 0)[-1]["content"]
        mine = [tasks[ref["number"] - 1] for ref in shown(recipe, draw)["answer"]]
        assert prompt == "".join(f"{t['instruction']}\n{t['instances'][0]['output']}\n---\n" for t in mine) + str(
            draw.cell["topic"])
        assert not any(task["is_classification"] for task in mine)
    assert len(draws) == 40


def test_a_real_seed_task_never_sees_itself(make: Make, shared_data: Path) -> None:
    text = (shared_data / "seed-tasks" / "seed_tasks.jsonl").read_text()
    user = "{% for e in examples %}{{ e.id }}|{{ e.instruction }}\\n{% endfor %}TASK {{id}}: {{instruction}}"
    recipe = make(text, head="source: {file: seed.jsonl}\n", user=user, examples="{file: seed.jsonl, n: 5}",
                  train="{{instruction}}")
    draws = list(wanted(recipe))
    assert len(draws) == 175
    for draw in draws:
        prompt = fill(recipe, draw, {}, 0)[-1]["content"]
        assert f"{draw.fields['id']}|" not in prompt
        assert len({ref["row"] for ref in shown(recipe, draw)["answer"]}) == 5


def test_a_path_from_where_the_command_was_typed_is_told_from_the_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "quiz").mkdir()
    (tmp_path / "mine.csv").write_text("ask,say\na,b\n")
    path = tmp_path / "quiz" / "recipe.yaml"
    path.write_text('synth: 1\nname: quiz\nsource: {file: mine.csv}\ntrain: {user: "{{ask}}", assistant: "{{say}}"}\n')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match=r"no file .*/quiz/mine\.csv") as caught:
        next(wanted(load_recipe(path)))
    assert caught.value.hint == "paths count from the recipe's folder: there it is ../mine.csv"
