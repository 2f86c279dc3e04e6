"""Two answers a row and a judge: who wins is trained on, who loses stands beside it, and doubt makes no pair."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pipeline.errors import RecipeError, YieldError
from pipeline.generate import doubts
from pipeline.store import Dataset
from pipeline.types import CallRequest
from tests.engine.scripted import answer, no
from tests.generate.folder import RECIPE, Folder

JUDGE = 'user: "Of {{prompt}} which is better, A: {{answer_a}} or B: {{answer_b}}?"'
PAIRS = RECIPE.replace("train:", f"pairs: {{second: {{temperature: 1.2}}, judge: {{{JUDGE}}}}}\ntrain:").replace(
    "max_tokens: 100}", "max_tokens: 100, floor: 0}")


class Court(Folder):
    """A writer who is dull at first and bold the second time, and a judge; `asked_of` counts by who was asked what."""

    def __init__(self, path: Path, recipe: str = PAIRS) -> None:
        super().__init__(path, recipe)
        self.bodies: list[dict[str, object]] = []
        self.order = Counter[str]()
        self.verdict = self.bold
        self.provider.script = self.script

    def script(self, asked: CallRequest, turn: int) -> object:
        self.bodies.append(asked.body)
        prompt = str(asked.body["messages"][-1]["content"])
        if prompt.startswith(("Of ", "Rate ", "This cannot")):
            said = self.verdict(str(asked.body["messages"][0]["content"]), turn)
            return answer(said) if isinstance(said, str) else said
        return answer(f"{'bold' if asked.body.get('temperature') else 'dull'} tale: {prompt}")

    def bold(self, prompt: str, turn: int) -> object:
        first = "A" if "A: bold" in prompt else "B"
        self.order[first] += 1
        return first

    def count(self, **options: object) -> int:
        before = len(self.bodies)
        self.run(**options)
        return len(self.bodies) - before


@pytest.fixture
def court(tmp_path: Path) -> Court:
    return Court(tmp_path)


def test_the_better_one_is_trained_on_and_the_other_stands_rejected(court: Court) -> None:
    assert court.plan().new_calls == 36
    assert court.count() == 36
    for row in court.rows():
        assert row.answer.startswith("bold tale")
        assert row.rejected == [{"role": "assistant", "content": row.answer.replace("bold", "dull")}]
        assert [ref.role for ref in row.calls] == ["rejected", "chosen", "judge"]
        assert row.provenance["cost_usd"] == pytest.approx(3 * 210 / 1e6)
    assert court.count() == 0
    assert court.plan().new_calls == 0
    assert court.plan().reused == 12
    assert len(court.standing()) == 12
    court.file.unlink()
    assert court.count() == 0
    assert len(court.rows()) == 12


def test_who_comes_first_is_drawn_by_hash(tmp_path: Path) -> None:
    recipe = PAIRS.replace("[Lima, Oslo, Cairo]", f"[{', '.join(f'p{n}' for n in range(25))}]")
    court = Court(tmp_path, recipe)
    court.run()
    assert court.order.total() == 100
    assert 30 <= court.order["A"] <= 70, "position bias averages out"
    (tmp_path / "again").mkdir()
    again = Court(tmp_path / "again", recipe)
    again.run()
    texts = [{(row.id, str(row.messages)) for row in each.rows()} for each in (court, again)]
    assert texts[0] == texts[1]


def test_a_judge_who_always_says_a_is_no_winner_in_both_orders(court: Court) -> None:
    court.edit("judge: {user", "judge: {both_orders: true, user")
    court.verdict = lambda prompt, turn: "A"
    with pytest.raises(YieldError):
        court.run()
    court.verdict = court.bold
    assert len(court.bodies) == 48, "two answers and two verdicts a draw"
    assert court.rows() == []
    court.edit(JUDGE, JUDGE.replace("which", "which one"))
    assert court.count() == 24, "the answers stand, the verdicts are asked anew"
    assert len(court.standing()) == 12
    assert [ref.role for ref in court.rows()[0].calls].count("judge") == 2


def test_verdicts_that_turn_with_the_order_are_told_apart_from_ties(court: Court) -> None:
    court.edit("judge: {user", "judge: {both_orders: true, user")
    court.verdict = lambda prompt, turn: "B" if "baker" in prompt else "tie" if "nurse" in prompt else (
        court.bold(prompt, turn))
    done = court.run()
    assert done.standing == 6
    assert "6 of 12 draws gave no pair: 3 ties, 3 verdicts that turned with the order" in done.notes


def test_ties_and_equal_answers_make_no_pair_and_are_counted(court: Court) -> None:
    court.verdict = lambda prompt, turn: "Tie." if "baker" in prompt else court.bold(prompt, turn)
    script = court.script
    court.provider.script = lambda asked, turn: (
        answer("same") if "nurse" in str(asked.body["messages"]) else script(asked, turn))
    done = court.run()
    assert done.standing == 6
    assert "6 of 12 draws gave no pair: 3 equal answers, 3 ties" in done.notes
    assert court.failures() == [], "that nobody wins is no failure"
    assert court.asked() == 0


def test_a_judge_that_cannot_be_read_picks_nobody(court: Court) -> None:
    court.verdict = lambda prompt, turn: "Both have their merits." if "baker" in prompt else court.bold(prompt, turn)
    assert court.count() == 24 + 12 + 3, "one repair for each"
    assert len(court.rows()) == 9
    assert [line["failure"]["kind"] for line in court.failures()] == ["parse"] * 3
    court.verdict = court.bold
    assert court.count() == 0
    assert court.count(retry=("parse",)) == 3
    assert len(court.standing()) == 12


def test_scores_must_differ_by_the_margin(court: Court) -> None:
    court.edit(f"judge: {{{JUDGE}}}", 'judge: {margin: 2, user: "Rate 1 to 10: {{answer}}"}')
    score = {"baker": ("3", "9"), "pilot": ("8.5", "4"), "nurse": ("5", "6"), "judge": ("4", "6")}

    def verdict(prompt: str, turn: int) -> str:
        who = next(name for name in score if name in prompt)
        return score[who]["bold" in prompt]

    court.verdict = verdict
    assert court.plan().new_calls == 48
    done = court.run()
    assert "3 of 12 draws gave no pair: 3 ties" in done.notes
    won = {row.cell["hero"]: row.answer.split()[0] for row in court.rows()}
    assert won == {"baker": "bold", "pilot": "dull", "judge": "bold"}
    assert court.plan().new_calls == 0


def test_the_same_question_twice_is_two_calls(court: Court) -> None:
    court.edit("{temperature: 1.2}", "{}")
    turns = Counter[str]()
    script = court.script

    def twice(asked: CallRequest, turn: int) -> object:
        prompt = str(asked.body["messages"][-1]["content"])
        if prompt.startswith("Of "):
            return script(asked, turn)
        turns[prompt] += 1
        return answer(f"{'dull' if asked.repeat == 0 else 'bold'} tale: {prompt}")

    court.provider.script = twice
    court.run()
    assert set(turns.values()) == {2}
    assert len(court.rows()) == 12


def test_each_has_a_model_and_parameters_of_its_own(court: Court) -> None:
    court.edit("second: {temperature: 1.2}", "second: {temperature: 1.2, model: 'scripted:wild'}",
               "judge: {user", "judge: {model: 'scripted:wise', max_tokens: 3, user")
    court.run(rows=1)
    assert [(body["model"], body["max_tokens"], body.get("temperature")) for body in court.bodies] == [
        ("m", 100, None), ("wild", 100, 1.2), ("wise", 3, None)]


def test_an_edit_pays_only_for_what_it_changes(court: Court) -> None:
    court.run()
    court.edit("temperature: 1.2", "temperature: 1.3")
    assert court.plan().new_calls == 24
    assert court.count() == 12, "the second answers; they say the same, and are judged already"
    assert len(court.standing()) == 12
    court.edit("temperature: 1.3", "temperature: 1.2")
    assert court.count() == 0
    court.edit('train: {user: "{{hero}}', 'train: {user: "A {{hero}}')
    assert court.run().rendered == 24
    assert court.count() == 0
    row = court.standing()[0]
    assert row.messages[0]["content"].startswith("A ")
    assert row.rejected is not None
    assert row.rejected[0]["content"].startswith("dull tale")


def test_a_second_answer_that_fails_leaves_the_first_paid(court: Court) -> None:
    script = court.script
    court.provider.script = lambda asked, turn: (
        no("content_filter") if asked.body.get("temperature") else script(asked, turn))
    with pytest.raises(YieldError):
        court.run()
    court.provider.script = script
    assert court.count(retry=()) == 24
    assert len(court.rows()) == 12


def test_what_a_judge_cannot_know_is_named(court: Court) -> None:
    court.edit("{{answer_b}}", "{{answer_c}}")
    with pytest.raises(RecipeError, match=r"'answer_c' in pairs.judge.user is not known"):
        court.run()
    court.edit("A: {{answer_a}} or B: {{answer_c}}", "{{answer_a}} or {{answer_b}}")
    with Dataset(court.home) as dataset:
        assert "no prompt of the judge names A and B" in doubts(court.recipe, dataset, court.writer)[0]
    court.edit("judge: {user", "judge: {margin: 1, both_orders: true, user")
    with pytest.raises(RecipeError, match="`both_orders` would change nothing"):
        court.recipe  # noqa: B018 - reading it is the test


def test_a_bill_holds_the_judge_and_what_the_judge_reads(court: Court) -> None:
    before = court.plan().forecast
    assert [(step.name, step.calls) for step in before.steps] == [("answer", 12), ("second", 12), ("judge", 12)]
    judge = before.steps[-1]
    read = before.steps[0].output_tokens.middle + before.steps[1].output_tokens.middle
    assert judge.input_tokens.middle > read, "both answers stand in its prompt"
    court.run(rows=4)
    after = court.plan()
    assert [step.answers for step in after.forecast.steps] == [8, 8, 4]
    court.run()
    assert court.plan().new_calls == 0
