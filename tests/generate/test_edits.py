"""A recipe that changes: only what is new is paid for, nothing that was paid for is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import YieldError
from pipeline.generate import Options, Writer, generate, plan_run
from pipeline.store import Dataset
from pipeline.types import CallRef, Sample
from tests.engine.scripted import Scripted, no
from tests.generate.folder import RECIPE, Folder


@pytest.fixture
def tales(tmp_path: Path) -> Folder:
    """Twelve rows, made and paid for."""
    folder = Folder(tmp_path)
    folder.run()
    return folder


def planned(tales: Folder, **options) -> int:
    """Runs; what it asked is what the plan said before. Returns how many that were."""
    plan = tales.plan()
    before = {row.id for row in tales.standing()} if tales.file.exists() else set()
    asked = tales.asked(**options)
    assert asked == plan.new_calls
    after = {row.id for row in tales.standing()}
    assert sum(plan.aside.values()) == len(before - after), "and what leaves the set was said before"
    assert tales.plan().aside == {}
    assert tales.plan().new_calls == 0
    assert tales.plan().surplus == tales.states()["surplus"]
    return asked


def cells(rows: list[Sample]) -> set[tuple]:
    return {tuple(sorted(row.cell.items())) for row in rows}


# -- the grid ------------------------------------------------------------------------------------

def test_a_value_that_is_added(tales: Folder) -> None:
    tales.edit("Cairo]", "Cairo, Quito]")
    assert planned(tales) == 4
    assert len(tales.standing()) == 16


def test_a_value_that_is_removed_and_comes_back(tales: Folder) -> None:
    before = tales.rows()
    tales.edit(", Cairo]", "]")
    assert planned(tales) == 0
    assert tales.states() == {"wanted": 8, "illegal": 4}
    assert not any(row.cell["place"] == "Cairo" for row in tales.standing())
    assert tales.rows() == before, "nothing is deleted"
    tales.edit("Oslo]", "Oslo, Cairo]")
    assert planned(tales) == 0
    assert tales.states() == {"wanted": 12}
    assert len(tales.standing()) == 12


def test_a_value_that_is_renamed(tales: Folder) -> None:
    tales.edit("Cairo", "Quito")
    assert planned(tales) == 4
    assert len(tales.standing()) == 12
    assert tales.states() == {"wanted": 12, "illegal": 4}


def test_values_in_another_order_and_a_comment(tales: Folder) -> None:
    tales.edit("[Lima, Oslo, Cairo]", "[Cairo, Oslo, Lima]   # south first", "synth: 1", "# mine\nsynth: 1")
    assert planned(tales) == 0
    assert len(tales.standing()) == 12


def test_an_axis_that_is_added(tales: Folder) -> None:
    tales.edit('prompt: {user: "A', '  mood: [merry, bleak]\nprompt: {user: "A {{mood}}',
               "{{hero}}, ", "{{mood}}, {{hero}}, ")
    assert planned(tales) == 24
    assert len(tales.rows()) == 36
    assert all("mood" in row.cell for row in tales.standing())
    assert tales.states() == {"wanted": 24, "illegal": 12}
    assert planned(tales) == 0, "old rows, which know no mood, hold nothing up"


def test_what_leaves_the_set_is_said_with_its_reason(tales: Folder) -> None:
    assert tales.plan().aside == {}
    tales.edit("hero: [baker, ", "hero: [smith, ")
    assert tales.plan().aside == {"illegal": 3}, "the rows of the value that was renamed"
    tales.edit("A tale", "A short tale")
    assert tales.plan().aside == {"earlier": 12}
    assert tales.plan(rows=2).aside == {"earlier": 12}, "a first look at the new prompt sets them aside as well"
    tales.edit("A short tale", "A tale", "hero: [smith, ", "hero: [baker, ")
    assert tales.plan().aside == {}


def test_rewritten_rows_leave_with_their_parents(tales: Folder) -> None:
    grown(tales, first=False)
    tales.edit("place: [Lima, Oslo, Cairo]", "place: [Lima, Oslo, Cairo]\n  mood: [merry]")
    assert tales.plan().aside == {"illegal": 15}


def test_another_model_is_foreseen_and_a_rehearsal_takes_nothing(tales: Folder, tmp_path: Path) -> None:
    other, rehearsed = (replaced(tales, tmp_path, rehearsal=each) for each in (False, True))
    with Dataset(tales.home) as dataset:
        assert plan_run(tales.recipe, dataset, other).aside == {"earlier": 12}
        assert plan_run(tales.recipe, dataset, rehearsed).aside == {}


def replaced(tales: Folder, path: Path, *, rehearsal: bool) -> Writer:
    provider = Scripted()
    provider.namespace, provider.rehearsal = f"other-{rehearsal}", rehearsal
    return Writer(provider, "m", tales.price)


def test_a_condition(tales: Folder) -> None:
    tales.edit("prompt:", "where: [\"not (hero == 'baker' and place == 'Lima')\"]\nprompt:")
    assert planned(tales) == 0
    assert len(tales.standing()) == 11


def test_fewer_rows_leave_a_surplus_that_stays_in_the_set(tales: Folder) -> None:
    tales.edit("prompt:", "sample: {rows: 5}\nprompt:")
    assert planned(tales) == 0
    assert tales.states() == {"wanted": 5, "surplus": 7}
    assert len(tales.standing()) == 12
    with Dataset.open(tales.home) as dataset:
        assert len(dataset.surplus_ids()) == 7
    tales.edit("rows: 5", "rows: 8")
    assert planned(tales) == 0
    assert tales.states() == {"wanted": 8, "surplus": 4}


def test_what_was_never_paid_is_withdrawn(tales: Folder) -> None:
    tales.edit("Cairo]", "Cairo, Quito, Perth]")
    tales.edit("max_tokens: 100", "max_tokens: 100, floor: 0.1")
    tales.says = lambda prompt, turn: "story" if "Quito" in prompt else no("refused")
    tales.run()
    assert tales.states() == {"wanted": 20}
    tales.edit("prompt:", "sample: {rows: 2}\nprompt:")
    tales.run()
    states = tales.states()
    assert states["wanted"] == 2
    assert states["withdrawn"] >= 2
    assert states["withdrawn"] + states["surplus"] == 18
    tales.says = lambda prompt, turn: "story"
    tales.edit("sample: {rows: 2}\n", "")
    assert tales.asked() == 0, "refused for good, and nobody said --retry"
    assert tales.asked(retry=()) == 4


def test_a_surplus_row_that_is_lost_is_made_again(tales: Folder) -> None:
    tales.edit("prompt:", "sample: {rows: 5}\nprompt:")
    tales.run()
    tales.file.unlink()
    assert planned(tales) == 0
    assert len(tales.rows()) == 12


def test_a_file_lost_together_with_an_edit(tales: Folder) -> None:
    """What is paid is known by its calls, not by the rows that happen to be there."""
    tales.file.unlink()
    tales.edit("prompt:", "sample: {rows: 5}\nprompt:")
    assert planned(tales) == 0
    assert tales.states() == {"wanted": 5, "surplus": 7}
    assert len(tales.standing()) == 12


@pytest.mark.parametrize("how", ["pairwise", "balanced, rows: 30"])
def test_designs_are_completed_around_what_is_paid(tmp_path: Path, how: str) -> None:
    values = ", ".join(f"v{n}" for n in range(7))
    recipe = RECIPE.replace("[Lima, Oslo, Cairo]", f"[{values}]").replace("A tale", "A {{mood}} tale")
    tales = Folder(tmp_path, recipe.replace("prompt:", f"  mood: [a, b, c]\nsample: {{how: {how}}}\nprompt:"))
    first = tales.plan().new_calls
    tales.run(rows=9)
    assert planned(tales) == first - 9
    assert planned(tales) == 0
    tales.edit("v6]", "v6, v7]")
    assert 0 < planned(tales) < 20, "a new value costs what shows it, not the whole design"


# -- the writer ----------------------------------------------------------------------------------

def test_another_prompt_pays_for_all_and_sets_the_old_rows_aside(tales: Folder) -> None:
    tales.edit("A tale", "A short tale")
    assert planned(tales) == 12
    assert len(tales.rows()) == 24
    assert {row.answer.split()[2] for row in tales.standing()} == {"short"}
    tales.edit("A short tale", "A tale")
    assert planned(tales) == 0, "and back again costs nothing"
    assert {row.answer.split()[2] for row in tales.standing()} == {"tale"}


def test_a_run_without_a_row_of_its_own_leaves_the_set_as_it_is(tales: Folder) -> None:
    tales.edit("A tale", "A short tale")
    tales.says = lambda prompt, turn: no("content_filter")
    with pytest.raises(YieldError):
        tales.run()
    assert {row.answer.split()[2] for row in tales.standing()} == {"tale"}, "still those of the prompt before"
    assert len(tales.standing()) == 12
    tales.says = lambda prompt, turn: f"story: {prompt}" if "pilot in Oslo" in prompt else no("content_filter")
    with pytest.raises(YieldError):
        tales.run(retry=())
    assert [row.answer for row in tales.standing()] == ["story: A short tale of a pilot in Oslo."]


def test_rows_of_that_writer_make_it_the_writer_again(tales: Folder) -> None:
    tales.edit("A tale", "A short tale")
    tales.run(rows=1)
    assert len(tales.standing()) == 1
    tales.edit("A short tale", "A tale")
    tales.says = lambda prompt, turn: no("server")
    tales.run()
    assert len(tales.standing()) == 12


@pytest.mark.parametrize("edit", [
    ("A tale of a {{hero}}", "A tale of a {{ hero }}"),
    ("A tale of a {{hero}}", "{# the writer's prompt #}A tale of a {{hero}}"),
    ("max_tokens: 100", "max_tokens: 100, params: {service_tier: flex, user: me}"),
    ("generate:", "steps: []\ngenerate:"),
    ("prompt: {user: \"A tale of a {{hero}} in {{place}}.\"}",
     "steps: [{name: tale, user: 'A tale of a {{hero}} in {{place}}.'}]"),
], ids=["spaces", "a comment", "what cannot change the answer", "no steps", "a step's name"])
def test_an_edit_that_asks_the_same_keeps_the_rows_in_the_set(tales: Folder, edit: tuple[str, str]) -> None:
    tales.edit(*edit)
    if "name: tale" in edit[1]:
        tales.edit('{{place}}"}\ngenerate', '{{place}}", assistant: "{{tale}}"}\ngenerate')
    assert planned(tales) == 0
    assert len(tales.rows()) == 12
    assert len(tales.standing()) == 12, "their calls are those that the recipe asks for today"
    with Dataset.open(tales.home) as dataset:
        assert not dataset.hand_edits()


def test_of_an_edit_that_touches_some_cells_the_others_stay(tales: Folder) -> None:
    tales.edit("A tale of", "{% if hero == 'baker' %}A short tale{% else %}A tale{% endif %} of")
    assert planned(tales) == 3
    assert len(tales.standing()) == 12
    assert len(tales.rows()) == 15


def test_rows_that_a_hand_edited_stay_in_the_set_too(tales: Folder) -> None:
    data = tales.file.read_bytes().replace(b"story: A tale of a baker in Oslo", b"mine")
    tales.file.write_bytes(data)
    tales.run(adopt=True)
    tales.edit("A tale of a {{hero}}", "A tale of a {{ hero }}")
    assert planned(tales) == 0
    assert len(tales.standing()) == 12
    after = tales.file.read_bytes()
    assert len(after) == len(data), "one name put for another, and no other byte"
    assert sum(a != b for a, b in zip(after.splitlines(), data.splitlines())) == 12


def test_surplus_rows_stay_in_the_set_under_an_edit_that_asks_the_same(tales: Folder) -> None:
    tales.edit("prompt:", "sample: {rows: 5}\nprompt:", "{{hero}} in", "{{ hero }} in")
    assert planned(tales) == 0
    assert len(tales.standing()) == 12


def test_a_rehearsal_does_not_set_paid_rows_aside(tales: Folder) -> None:
    provider = Scripted()
    provider.namespace, provider.rehearsal = "rehearsal", True
    real = tales.provider
    tales.provider = provider
    done = tales.run()
    assert any("real rows" in note for note in done.notes)
    assert len(tales.rows()) == 24
    assert {row.rehearsal for row in tales.standing()} == {False}
    assert len(tales.standing()) == 12
    tales.provider = real
    assert tales.asked() == 0
    assert len(tales.standing()) == 12


def test_a_rehearsal_alone_is_the_set_until_real_rows_come(tmp_path: Path) -> None:
    tales = Folder(tmp_path)
    real, tales.provider = tales.provider, Scripted()
    tales.provider.namespace, tales.provider.rehearsal = "rehearsal", True
    tales.run()
    assert len(tales.standing()) == 12
    tales.provider = real
    assert planned(tales) == 12
    assert {row.rehearsal for row in tales.standing()} == {False}
    assert len(tales.rows()) == 24


def test_another_host_of_the_same_name_pays_nothing_and_another_name_pays(tales: Folder) -> None:
    tales.provider.base_url = "http://elsewhere:8000/v1"  # type: ignore[attr-defined]
    assert planned(tales) == 0
    tales.provider.namespace = "other"
    assert planned(tales) == 12


# -- the training prompt -------------------------------------------------------------------------

def child_of(row: Sample, text: str) -> Sample:
    """A rewritten row, as augmenting writes it."""
    messages = [*row.messages[:-1], {**row.messages[-1], "content": text}]
    made = {**row.provenance, "augmentation": "expand"}
    return replace(row, id=f"child-{row.id}"[:26], messages=messages, parent=row.id, calls=(CallRef("c", "rewrite"),),
                   source=None, provenance=made)


def grown(tales: Folder, first: bool = False) -> None:
    """Children of the first three rows; in front of all others where `first`, as a hand may put them."""
    with Dataset.open(tales.home) as dataset, dataset.lock("samples"), dataset.sample_writer() as rows:
        for row in list(dataset.samples())[:3]:
            rows.add(child_of(row, f"longer {row.answer}"))
    if first:
        tales.file.write_bytes(b"".join(reversed(tales.file.read_bytes().splitlines(keepends=True))))


@pytest.mark.parametrize("first", [False, True], ids=["children last", "children first"])
def test_another_training_prompt_renders_anew_for_nothing(tales: Folder, first: bool) -> None:
    grown(tales, first)
    before = [(row.id, row.answer) for row in tales.rows()]
    tales.edit('train: {user: "{{hero}}, {{place}}"}', 'train: {system: "Tell.", user: "{{place}}: {{hero}}"}')
    assert tales.plan().new_calls == 0
    done = tales.run()
    assert done.rendered == 15
    rows = tales.rows()
    assert [(row.id, row.answer) for row in rows] == before, "answers and order stay, children's too"
    assert all(row.messages[0] == {"role": "system", "content": "Tell."} for row in rows)
    assert all(row.messages[1]["content"] == f"{row.cell['place']}: {row.cell['hero']}" for row in rows)
    assert tales.run().rendered == 0
    with Dataset.open(tales.home) as dataset:
        assert not dataset.hand_edits()


def test_hand_edited_rows_are_not_rendered_anew(tales: Folder) -> None:
    tales.file.write_bytes(tales.file.read_bytes().replace(b"story: A tale of a baker in Oslo", b"mine"))
    tales.run(adopt=True)
    tales.edit('user: "{{hero}}, {{place}}"', 'user: "{{place}}: {{hero}}"')
    assert tales.run().rendered == 11
    (mine,) = [row for row in tales.rows() if row.answer == "mine."]
    assert mine.messages[0]["content"] == "baker, Oslo"


def test_the_answer_within_other_words(tales: Folder) -> None:
    tales.edit('{{place}}"}\ngenerate', '{{place}}", assistant: "<tale>{{answer}}</tale>"}\ngenerate')
    assert tales.run().rendered == 12
    assert all(row.answer == f"<tale>story: A tale of a {row.cell['hero']} in {row.cell['place']}.</tale>"
               for row in tales.rows())


def test_rows_of_an_earlier_grid_do_not_stop_a_new_training_prompt(tales: Folder) -> None:
    tales.edit('prompt: {user: "A', '  mood: [merry]\nprompt: {user: "A {{mood}}', "{{hero}}, ", "{{mood}} {{hero}}, ")
    done = tales.run()
    assert (done.added, done.rendered) == (12, 0)
    assert tales.run().added == 0


# -- the dataset ---------------------------------------------------------------------------------

def test_renaming_and_moving(tales: Folder, tmp_path: Path) -> None:
    (tmp_path / "stories.yaml").write_text(RECIPE.replace("name: tales", "name: stories"))
    tales.name = "stories"
    assert planned(tales) == 0
    with Dataset.open(tales.home) as dataset:
        spent = dataset.calls.spent()
        assert (spent.usd, spent.answered, spent.copied) == (0, 0, 12), "the other dataset paid, and counts it"
    assert len(tales.standing()) == 12
    tales.home.rename(tales.home.with_name("renamed"))
    (tmp_path / "renamed.yaml").write_text((tmp_path / "stories.yaml").read_text())
    tales.name = "renamed"
    assert planned(tales) == 0
    assert len(tales.rows()) == 12


# -- rows that exist already ---------------------------------------------------------------------

TICKETS = """\
synth: 1
name: tales
source: {file: tickets.csv}
train: {user: "{{text}}", assistant: "{{label}}"}
"""
ROWS = "text,label,lang\nhelp,ask,en\nhilfe,ask,de\nthanks,nice,en\n"


def tickets(tmp_path: Path, recipe: str = TICKETS) -> Folder:
    folder = Folder(tmp_path, recipe)
    (tmp_path / "tickets.csv").write_text(ROWS)
    return folder


def test_a_source_alone(tmp_path: Path) -> None:
    tales = tickets(tmp_path)
    plan = tales.plan()
    assert (plan.wanted, plan.new_calls, plan.usd_expected) == (3, 0, 0)
    assert tales.run().added == 3
    assert tales.run().added == 0
    assert [(row.prompt, row.answer) for row in tales.rows()] == [("help", "ask"), ("hilfe", "ask"), ("thanks", "nice")]
    assert tales.prompts.total() == 0
    tales.provider.namespace = "other"
    tales.run()
    assert len(tales.standing()) == 3, "nobody wrote them: another model sets nothing aside"


def test_a_source_that_changes(tmp_path: Path) -> None:
    tales = tickets(tmp_path)
    tales.run()
    (tmp_path / "tickets.csv").write_text(ROWS.replace("hilfe,ask", "hilfe,plea") + "ciao,nice,it\n")
    assert tales.run().added == 2
    assert [(row.prompt, row.answer) for row in tales.standing()] == [
        ("help", "ask"), ("thanks", "nice"), ("hilfe", "plea"), ("ciao", "nice"),
    ], "a row that the source no longer has stands aside"
    (tmp_path / "tickets.csv").write_text(ROWS)
    assert tales.run().added == 0
    assert {row.prompt for row in tales.standing()} == {"help", "hilfe", "thanks"}


def test_a_condition_on_a_source(tmp_path: Path) -> None:
    tales = tickets(tmp_path)
    tales.run()
    tales.edit("{file: tickets.csv}", "{file: tickets.csv, where: [\"lang == 'en'\"]}")
    tales.run()
    assert {row.prompt for row in tales.standing()} == {"help", "thanks"}


def test_fewer_rows_of_a_source_leave_a_surplus(tmp_path: Path) -> None:
    tales = tickets(tmp_path)
    tales.run()
    tales.edit("train:", "sample: {rows: 1}\ntrain:")
    tales.run()
    assert tales.states() == {"wanted": 1, "surplus": 2}
    assert len(tales.standing()) == 3


def test_a_new_training_prompt_for_source_rows(tmp_path: Path) -> None:
    tales = tickets(tmp_path)
    tales.run()
    tales.edit("{{text}}", "{{lang}}: {{text}}")
    assert tales.run().rendered == 3
    assert [row.prompt for row in tales.rows()] == ["en: help", "de: hilfe", "en: thanks"]


def test_a_source_with_a_prompt(tmp_path: Path) -> None:
    recipe = TICKETS.replace("train:", "prompt: {user: \"Reply to: {{text}}\"}\ngenerate: {max_tokens: 50}\ntrain:")
    tales = tickets(tmp_path, recipe.replace("{{label}}", "{{answer}} ({{label}})"))
    assert planned(tales) == 3
    assert tales.rows()[0].answer == "story: Reply to: help (ask)"
    assert tales.rows()[0].fields == {"text": "help", "label": "ask", "lang": "en"}
    assert planned(tales) == 0
    (tmp_path / "tickets.csv").write_text(ROWS.replace("hilfe,ask", "hilfe,plea") + "ciao,nice,it\n")
    assert tales.plan().new_calls == 1, "the question about `hilfe` is the same, whatever its label"
    assert planned(tales) == 1
    assert {row.answer for row in tales.standing()} == {
        "story: Reply to: help (ask)", "story: Reply to: hilfe (plea)", "story: Reply to: thanks (nice)",
        "story: Reply to: ciao (nice)",
    }


def test_a_source_crossed_with_axes(tmp_path: Path) -> None:
    recipe = TICKETS.replace("train:", "axes: {tone: [kind, dry]}\nprompt: {user: \"{{tone}}: {{text}}\"}\ntrain:")
    tales = tickets(tmp_path, recipe.replace("{{label}}", "{{answer}}"))
    first = planned(tales)
    assert first in (3, 6)
    tales.edit("dry", "curt")
    planned(tales)
    assert all(row.cell["tone"] in ("kind", "curt") for row in tales.standing())


def test_two_writers_of_one_folder_have_names_of_their_own(tales: Folder) -> None:
    """A row made by one model is not the row of another, though the cell is the same."""
    other = Scripted(lambda asked, turn: tales._script(asked, turn))
    tales.provider = other
    with Dataset.open(tales.home) as dataset:
        generate(tales.recipe, dataset, Writer(other, "m2", None), tales.settings, Options())
    assert len(tales.rows()) == 24
    assert len({row.id for row in tales.rows()}) == 24

