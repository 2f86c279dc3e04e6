"""Answers that are held to something: read, repaired once, failed with a class, tried again, judged anew for free."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline.engine import Answer
from pipeline.errors import CapReached, RecipeError, YieldError
from pipeline.generate import Options, Retry, generate, plan_run
from pipeline.store import Dataset
from pipeline.types import Usage
from tests.engine.scripted import answer, no
from tests.generate.folder import RECIPE, Folder

LABELS = RECIPE.replace('{{place}}."}', '{{place}}. Merry or sad?", answer: {labels: [merry, sad]}}').replace(
    "max_tokens: 100}", "max_tokens: 100, floor: 0}")
SCHEMA = """{schema: {type: object, properties: {city: {type: string}, n: {type: integer}},
  required: [city, n], additionalProperties: false}}"""
TICKETS = RECIPE.replace('prompt: {user: "A tale of a {{hero}} in {{place}}."}', f"""\
steps:
  - name: ticket
    user: "JSON of a {{{{hero}}}} in {{{{place}}}}."
    answer: {SCHEMA}
  - {{name: answer, user: "About {{{{ticket.city}}}}: {{{{ticket}}}}"}}
""").replace("max_tokens: 100}", "max_tokens: 100, floor: 0}")
REPAIR = "This cannot be used"


def is_repair(prompt: str) -> bool:
    return prompt.startswith(REPAIR)


@pytest.fixture
def moods(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path, LABELS)
    folder.says = lambda prompt, turn: "Merry."
    return folder


def test_a_label_is_the_answer_and_the_rows_own(moods: Folder) -> None:
    assert moods.asked() == 12
    row = moods.rows()[0]
    assert (row.label, row.answer, row.fields) == ("merry", "merry", {"answer": "merry"})
    assert [ref.role for ref in row.calls] == ["step:answer"]
    assert moods.asked() == 0
    assert moods.plan().new_calls == 0


def test_an_answer_of_no_use_is_repaired_once_by_a_call_of_its_own(moods: Folder) -> None:
    seen: list[list[dict[str, str]]] = []
    moods.says = lambda prompt, turn: "sad" if is_repair(prompt) else "Rather merry, I think"
    ask = moods.provider.script
    moods.provider.script = lambda asked, turn: seen.append(asked.body["messages"]) or ask(asked, turn)
    assert moods.asked() == 24
    row = moods.rows()[0]
    assert (row.label, [ref.role for ref in row.calls]) == ("sad", ["step:answer", "repair"])
    assert row.provenance["cost_usd"] == pytest.approx(2 * (10 + 200) / 1e6)
    talk = next(messages for messages in seen if len(messages) == 3)
    assert [message["role"] for message in talk] == ["user", "assistant", "user"]
    assert talk[1]["content"] == "Rather merry, I think"
    assert "'Rather merry, I think' is not one of merry, sad" in talk[2]["content"]
    assert "exactly one of these, and nothing else: merry, sad" in talk[2]["content"]
    assert moods.asked() == 0
    assert moods.failures() == []


def test_what_cannot_be_used_twice_is_a_typed_failure_with_text_and_cost(moods: Folder) -> None:
    moods.says = lambda prompt, turn: "merry" if "baker" in prompt else "¿qué?"
    moods.edit("floor: 0", "floor: 0.9")
    with pytest.raises(YieldError):
        moods.run()
    moods.edit("floor: 0.9", "floor: 0.2")
    done = moods.run()
    assert done.standing == 3
    assert done.progress.failures == {}, "nothing was asked today"
    failed = moods.failures()
    assert len(failed) == 9
    line = failed[0]
    assert line["failure"]["kind"] == "parse"
    assert line["failure"]["raw"] == "¿qué?"
    assert "is not one of merry, sad" in line["failure"]["message"]
    assert line["cost_usd"] == pytest.approx(2 * 210 / 1e6), "of both calls"
    assert len(line["calls"]) == 2
    assert line["cell"]["hero"] != "baker"
    assert moods.asked() == 0, "it is final until somebody asks"
    assert len(moods.failures()) == 9
    (moods.home / "failures.jsonl").unlink()
    moods.run()
    assert moods.failures() == failed, "it follows from the calls"
    with suppress(YieldError):
        moods.run(rows=1)
    assert {line["id"] for line in moods.failures()} == {line["id"] for line in failed}, "a first look forgets nothing"


def test_a_run_says_what_failed_today(moods: Folder) -> None:
    moods.says = lambda prompt, turn: "merry" if "baker" in prompt else "what?"
    done = moods.run()
    assert done.progress.failures == {"parse": 9}


def test_what_was_cut_or_refused_is_not_repaired(moods: Folder) -> None:
    def says(prompt: str, turn: int) -> Answer:
        if "baker" in prompt:
            return Answer({"role": "assistant", "content": "it is mer"}, "length", Usage(1, 1), "m")
        if "pilot" in prompt:
            return Answer({"role": "assistant", "content": None, "refusal": "No."}, "stop", Usage(1, 1), "m")
        return answer("sad")

    moods.says = says
    assert moods.asked() == 12
    kinds = [line["failure"]["kind"] for line in moods.failures()]
    assert sorted(kinds) == ["length"] * 3 + ["refused"] * 3
    assert len(moods.rows()) == 6


def test_json_goes_into_fields_and_its_parts_into_templates(tmp_path: Path) -> None:
    tickets = Folder(tmp_path, TICKETS)
    tickets.says = lambda prompt, turn: (
        'Sure:\n```json\n{"n": 1, "city": "Lima"}\n```' if prompt.startswith("JSON") else f"tale: {prompt}")
    assert tickets.plan().new_calls == 24
    assert tickets.asked() == 12 + 1, "equal questions of the second step are one"
    row = tickets.rows()[0]
    assert row.fields == {"ticket": {"n": 1, "city": "Lima"}}
    assert row.answer == 'tale: About Lima: {"n": 1, "city": "Lima"}'
    assert tickets.asked() == 0


def test_the_answer_that_is_trained_on_is_the_json_alone(tmp_path: Path) -> None:
    tickets = Folder(tmp_path, RECIPE.replace('{{place}}."}', f'{{{{place}}}} as JSON.", answer: {SCHEMA}}}').replace(
        'train: {user: "{{hero}}, {{place}}"}', 'train: {user: "{{answer.city}}?", assistant: "{{answer}}"}'))
    tickets.says = lambda prompt, turn: 'It is {"city":"Lima","n":3}, as asked.'
    tickets.run()
    row = tickets.rows()[0]
    assert [message["content"] for message in row.messages] == ["Lima?", '{"city": "Lima", "n": 3}']
    assert row.fields == {"answer": {"city": "Lima", "n": 3}}


def test_a_schema_in_a_file_and_a_class_beside_the_recipe(tmp_path: Path) -> None:
    tickets = Folder(tmp_path, TICKETS.replace(SCHEMA, "{schema: ticket.schema.json}"))
    with pytest.raises(RecipeError, match=r"ticket\.schema\.json: No such file"):
        tickets.run()
    schema = {"type": "object", "properties": {"city": {"enum": ["Lima"]}, "n": {"type": "integer"}}}
    (tmp_path / "ticket.schema.json").write_text(json.dumps(schema))
    tickets.says = lambda prompt, turn: '{"n": "1", "city": "Lima"}' if turn >= 0 and "JSON" in prompt else "tale"
    with pytest.raises(YieldError):
        tickets.run(rows=1)
    assert tickets.failures()[0]["failure"]["message"] == '$.n: integer is wanted, not "1"'
    assert (tickets.home / "ticket.schema.json").is_file(), "the snapshot is whole"
    tickets.edit("{schema: ticket.schema.json}", "{model: forms.py:Ticket}")
    (tmp_path / "forms.py").write_text(
        "from pydantic import BaseModel\nclass Ticket(BaseModel):\n    city: str\n    n: str\n")
    assert tickets.asked(rows=1) == 1, "the text that was paid fits now; its tale is new"
    assert tickets.rows()[0].fields == {"ticket": {"n": "1", "city": "Lima"}}
    tickets.edit("forms.py:Ticket", "forms.py:Tiket")
    with pytest.raises(RecipeError, match="there is no Tiket in it") as error:
        tickets.run()
    assert "did you mean 'Ticket'?" in error.value.hint


def test_code_beside_a_snapshot_is_not_run(tmp_path: Path) -> None:
    tickets = Folder(tmp_path, TICKETS.replace(SCHEMA, "{model: forms.py:Ticket}"))
    (tmp_path / "forms.py").write_text(
        "from pydantic import BaseModel\nclass Ticket(BaseModel):\n    city: str\n    n: int\n")
    tickets.says = lambda prompt, turn: '{"n": 1, "city": "Lima"}' if "JSON" in prompt else "tale"
    tickets.run()
    (tickets.home / "forms.py").write_text("raise SystemExit('it ran')\n")
    with Dataset.open(tickets.home) as dataset:
        recipe = dataset.recipe()
        assert recipe is not None
        with pytest.raises(RecipeError, match="only for a recipe that you name"):
            generate(recipe, dataset, tickets.writer, tickets.settings, Options())


@pytest.mark.parametrize(("send", "strict"), [("true", {}), ("strict", {"strict": True})])
def test_the_schema_is_sent_only_where_the_recipe_says_so(tmp_path: Path, send: str, strict: dict[str, bool]) -> None:
    tickets = Folder(tmp_path, TICKETS)
    bodies: list[dict[str, object]] = []
    ask = tickets.provider.script
    tickets.provider.script = lambda asked, turn: bodies.append(asked.body) or ask(asked, turn)
    tickets.says = lambda prompt, turn: '{"n": 1, "city": "Lima"}' if "JSON" in prompt else "tale"
    tickets.run(rows=1)
    assert not any("response_format" in body for body in bodies)
    tickets.edit("required: [city, n], additionalProperties: false}}", f"required: [city, n]}}, send: {send}}}")
    bodies.clear()
    tickets.run(rows=1)
    held = [body["response_format"] for body in bodies if "response_format" in body]
    assert len(held) == 1
    sent = held[0]["json_schema"]  # type: ignore[index]
    assert sent.pop("schema")["required"] == ["city", "n"]
    assert sent == {"name": "ticket", **strict}


# -- another spec, the same calls ----------------------------------------------------------------

def test_other_labels_judge_the_same_texts_anew_and_pay_for_what_they_rule_out(moods: Folder) -> None:
    moods.says = lambda prompt, turn: "merry" if "baker" in prompt or is_repair(prompt) else "gloomy"
    assert moods.asked() == 12 + 9
    assert {row.label for row in moods.standing()} == {"merry"}
    before = {row.id for row in moods.rows()}
    moods.edit("[merry, sad]", "[merry, gloomy]")
    assert moods.plan().new_calls == 0
    assert moods.asked() == 0, "what was unusable is usable: its text was paid"
    standing = moods.standing()
    assert sorted(row.label for row in standing) == ["gloomy"] * 9 + ["merry"] * 3
    assert len(standing) == 12
    assert before <= {row.id for row in moods.rows()}, "nothing is deleted"
    moods.edit("[merry, gloomy]", "[Gloomy, other]")
    assert moods.plan().repairs == 0
    assert moods.plan().new_calls == 3, "the repairs of what is ruled out today"
    moods.says = lambda prompt, turn: "other"
    assert moods.asked() == 3
    assert sorted(row.label for row in moods.standing()) == ["Gloomy"] * 9 + ["other"] * 3
    assert all(row.answer == row.label for row in moods.standing()), "rows are rendered anew under the new spelling"


def test_a_spec_that_comes_or_goes_pays_nothing(tmp_path: Path) -> None:
    tales = Folder(tmp_path)
    tales.says = lambda prompt, turn: "Merry"
    tales.run()
    plain = tales.path / "tales.yaml"
    text = plain.read_text()
    tales.edit('{{place}}."}', '{{place}}.", answer: {labels: [merry, sad]}}')
    assert tales.asked() == 0
    assert {(row.label, row.answer) for row in tales.standing()} == {("merry", "merry")}
    assert len(tales.standing()) == 12
    plain.write_text(text)
    assert tales.asked() == 0
    assert {(row.label, row.answer, str(row.fields)) for row in tales.standing()} == {(None, "Merry", "{}")}


# -- once more -----------------------------------------------------------------------------------

def hard(prompt: str, turn: int) -> str:
    return "merry" if "baker" in prompt else "hm"


def test_a_retry_asks_a_fresh_repeat_and_a_later_run_finds_it(moods: Folder) -> None:
    moods.says = hard
    moods.run()
    assert moods.asked(retry=("length",)) == 0
    assert moods.asked(retry=("parse",)) == 18, "nine more tries, each with its repair"
    assert moods.asked(retry=()) == 18
    moods.says = lambda prompt, turn: "sad"
    with Dataset(moods.home) as dataset:
        assert plan_run(moods.recipe, dataset, moods.writer, retry=Retry(("parse",))).new_calls == 9
        assert plan_run(moods.recipe, dataset, moods.writer, retry=Retry(("length",))).new_calls == 0
    assert moods.asked(retry=("parse",)) == 9
    assert len(moods.standing()) == 12
    assert moods.failures() == []
    assert moods.asked() == 0
    assert moods.asked(retry=()) == 0
    moods.file.unlink()
    assert moods.asked() == 0
    assert len(moods.standing()) == 12
    with Dataset.open(moods.home) as dataset:
        assert len({call.id for call in dataset.calls.outcomes("answered")}) == 3 + 9 * 7


def bigger(moods: Folder) -> object:
    return moods.writer.of("scripted:big")


def test_another_model_is_asked_for_the_failed_rows_alone(moods: Folder) -> None:
    moods.says = hard
    moods.run(rows=8)
    failed = len(moods.failures())
    assert failed >= 5
    asked: list[str] = []
    script = moods.provider.script

    def watch(request, turn):
        asked.append(request.body["model"])
        return answer("sad") if request.body["model"] == "big" else script(request, turn)

    moods.provider.script = watch
    assert moods.run(retry=("parse",), by=bigger(moods)).standing == 8
    assert asked == ["big"] * failed, "rows that nobody asked for yet are left to the recipe's own model"
    standing = moods.standing()
    assert len(standing) == 8, "the rows of both are one set"
    assert {row.provenance["model"] for row in standing} == {"m-1"}
    asked.clear()
    done = moods.run()
    assert set(asked) == {"m"}, "the rest is asked of the recipe's own"
    assert done.wanted == 12
    after = {row.id for row in moods.standing()}
    assert {row.id for row in standing} <= after, "and none is lost"
    asked.clear()
    moods.run()
    assert asked == []
    moods.file.unlink()
    moods.run()
    assert {row.id for row in moods.standing()} == after
    assert asked == []


def test_another_model_for_calls_that_failed(tmp_path: Path) -> None:
    tales = Folder(tmp_path, RECIPE.replace("max_tokens: 100}", "max_tokens: 100, floor: 0}"))
    faults = {"nurse": no("content_filter"), "judge": no("timeout")}
    tales.says = lambda prompt, turn: next((fault for who, fault in faults.items() if who in prompt), "ok")
    tales.run()
    assert len(tales.failures()) == 6
    tales.says = lambda prompt, turn: "saved"
    before = tales.prompts.total()
    tales.run(retry=("content_filter",), by=tales.writer.of("scripted:big"))
    assert tales.prompts.total() == before + 3, "only that class, only of that model"
    assert len(tales.standing()) == 9
    assert {line["failure"]["kind"] for line in tales.failures()} == {"timeout"}
    assert tales.asked() == 3, "what timed out is asked again by any run, of the recipe's own model"
    assert len(tales.standing()) == 12
    assert tales.asked() == 0


def test_a_cap_holds_for_repairs_too(moods: Folder) -> None:
    moods.says = lambda prompt, turn: "hm"
    moods.settings = moods.settings.model_copy(update={"max_usd": 0.0045})
    with pytest.raises(CapReached):
        moods.run()
    assert moods.spent() <= 0.0045
    worst = moods.plan().usd_worst
    assert worst is not None
    moods.settings = moods.settings.model_copy(update={"max_usd": None})
    before = moods.spent()
    with pytest.raises(YieldError):
        moods.run()
    assert moods.spent() - before <= worst


def test_the_worst_case_counts_a_repair_for_each(moods: Folder) -> None:
    plan = moods.plan()
    assert (plan.new_calls, plan.repairs) == (12, 12)
    assert plan.usd_worst is not None
    moods.says = lambda prompt, turn: "word " * 100
    with pytest.raises(YieldError, match=r"12 parse"):
        moods.run()
    assert moods.spent() <= plan.usd_worst


def test_a_repair_that_fails_is_asked_again_by_the_next_run(moods: Folder) -> None:
    moods.says = lambda prompt, turn: no("timeout") if is_repair(prompt) else "hm" if "baker" in prompt else "sad"
    moods.run()
    assert len(moods.rows()) == 9
    moods.says = lambda prompt, turn: "merry"
    assert moods.asked() == 3, "the repairs, not the questions"
    assert len(moods.rows()) == 12


@pytest.mark.parametrize(("answer_", "says"), [
    ("{}", "exactly one of `labels`, `schema`, `model`"), ("{labels: [a]}", "two or more words"),
    ("{labels: [a, A]}", "differ in more than case"), ("{labels: [a, b], send: true}", "`send` goes with a schema"),
    ("{labels: [a, b], schema: {}}", "exactly one of"), ("{lables: [a, b]}", "unknown key 'lables'"),
])
def test_a_spec_that_means_nothing_is_refused(tmp_path: Path, answer_: str, says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        assert Folder(tmp_path, LABELS.replace("{labels: [merry, sad]}", answer_)).recipe


def test_what_the_prompt_does_not_say_is_doubted_aloud(tmp_path: Path) -> None:
    from pipeline.generate import doubts

    folder = Folder(tmp_path, LABELS.replace("Merry or sad?", "Merry or what?"))
    with Dataset(folder.home) as dataset:
        (doubt,) = doubts(folder.recipe, dataset, folder.writer)
        assert doubt == ("tales.yaml:7: no prompt of 'answer' names 'sad': the writer does not know what it may answer")
        folder.edit("{labels: [merry, sad]}", "{schema: {type: object}}")
        (doubt,) = doubts(folder.recipe, dataset, folder.writer)
        assert "says JSON" in doubt


def test_a_retry_of_a_few_is_no_failure_of_all_the_others(moods: Folder) -> None:
    moods.edit("floor: 0", "floor: 0.9")
    moods.says = lambda prompt, turn: "hm" if turn == 0 else "merry"
    with pytest.raises(YieldError):
        moods.run(rows=2)
    moods.says = lambda prompt, turn: "sad"
    done = moods.run(retry=("parse",), by=moods.writer.of("scripted:big"))
    assert (done.standing, done.wanted) == (2, 12), "ten that nobody asked for yet do not count against it"
