"""Rewrites that add rows, in the stage: several children, two calls a child, their price, and what curation keeps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipeline.augment import Augmented, augment, made, plan_augment
from pipeline.curate import curate
from pipeline.engine import Answer
from pipeline.prices import Price
from pipeline.recipe import Recipe, parse_recipe
from pipeline.rows import Filters
from pipeline.settings import Settings
from pipeline.store import Dataset
from pipeline.types import CallRequest, Message, Sample, Usage

PRICE = Price(input=1.0, output=2.0, cached=None, date="2026-11-21", source="test")
SAID = "Chlorophyll breaks down before the other pigments do, so that red and yellow are seen, the sunnier the redder."
RECIPE = """
synth: 1
name: leaves
axes: {tree: [maple, birch]}
prompt: "{{tree}}"
train: {user: "Why do leaves of a {{tree}} turn red in autumn?"}
generate: {max_tokens: 200}
curate: [refusal, exact_duplicate, same_answer, near_duplicate]
augment: [paraphrase: {times: 2}, evolve: {ways: [deepen]}]
"""


@dataclass
class Reworder:
    """Rewords, deepens and answers; `spoil` says what is said instead."""

    spoil: dict[str, str] = field(default_factory=dict)
    namespace: str = "openai"
    rehearsal: bool = False
    asked: list[str] = field(default_factory=list)

    def body(self, model: str, messages: list[Message], parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {"model": model, "messages": messages, **parameters}

    async def ask(self, request: CallRequest) -> Answer:
        asked = request.body["messages"][-1]["content"]
        tree = next(each for each in ("maple", "birch") if each in str(request.body["messages"]))
        kind = "reword" if asked.startswith("Put the request") else "harder" if "<request>" in asked else "answer"
        self.asked.append(kind)
        manner = re.search(r"other words, (.*?), so that", asked)
        text = self.spoil.get(kind) or {
            "reword": f"What is it that makes a {tree} go red when summer is over ({(manner or [''])[0][13:30]})?",
            "harder": f"Why do leaves of a {tree} turn red in autumn, and what does deep shade do to their colour?",
            "answer": f"In deep shade a {tree} makes little sugar, and without that its red stays away."}[kind]
        return Answer({"role": "assistant", "content": text}, "stop", Usage(100, 50), "writer-1-2026")

    async def models(self) -> list[str]:
        return ["writer-1"]

    async def close(self) -> None:
        pass


class Writer(NamedTuple):
    provider: Reworder
    model: str = "writer-1"
    price: Price | None = PRICE


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return parse_recipe(RECIPE, tmp_path / "leaves.yaml")


@pytest.fixture
def dataset(tmp_path: Path) -> Iterator[Dataset]:
    with Dataset.create(tmp_path / "leaves") as found:
        with found.sample_writer() as rows:
            for tree, said in (("maple", SAID), ("birch", "It takes two weeks of dry days and of cold nights.")):
                turns = [{"role": "user", "content": f"Why do leaves of a {tree} turn red in autumn?"},
                         {"role": "assistant", "content": said}]
                rows.add(Sample(tree, turns, cell={"tree": tree}, provenance={"model": "writer-0", "draw": tree}))
        yield found


def run(recipe: Recipe, dataset: Dataset, provider: Reworder, **more: Any) -> Augmented:
    return augment(recipe, dataset, Writer(provider), Settings(retries=0, concurrency=1), **more)


def kept(dataset: Dataset, recipe: Recipe) -> list[tuple[str, str]]:
    curate(dataset, recipe.curate, recipe)
    rows = {sample.id: sample for sample in dataset.samples()}
    found = (rows[verdict.sample] for verdict in dataset.verdicts() if verdict.state == "kept")
    return sorted((str(row.cell["tree"]), str(row.provenance.get("added", "own"))) for row in found)


def test_children_stand_beside_their_parents_and_are_made_once(recipe: Recipe, dataset: Dataset) -> None:
    plan = plan_augment(recipe, dataset, Writer(Reworder()))
    assert (plan.total, plan.rows, plan.children) == (2, {"paraphrase": 2, "evolve": 2}, 6)
    assert (plan.new_calls, plan.reused) == (8, 0)
    provider = Reworder()
    done = run(recipe, dataset, provider)
    assert (done.touched, done.added, done.refused) == (6, 6, {})
    assert sorted(provider.asked) == ["answer"] * 2 + ["harder"] * 2 + ["reword"] * 4
    assert (done.by["paraphrase"].calls, done.by["evolve"].calls) == (4, 4)
    assert done.by["evolve"].usd_per_row == pytest.approx(2 * (100 * 1.0 + 50 * 2.0) / 1e6)
    paid = done.progress.usd
    assert plan.usd_expected is not None
    assert plan.usd_worst is not None
    assert paid is not None
    assert plan.usd_expected < plan.usd_worst
    assert paid < plan.usd_worst
    assert kept(dataset, recipe) == [(tree, added) for tree in ("birch", "maple")
                                     for added in ("both", "own", "prompt", "prompt")]
    again = Reworder()
    assert (run(recipe, dataset, again).touched, again.asked) == (0, [])
    more = recipe.model_copy(update={"augment": parse_recipe(
        RECIPE.replace("times: 2", "times: 3"), Path("leaves.yaml")).augment})
    assert run(more, dataset, again).added == 2, "only what is new is asked for"


def test_a_prompt_that_is_no_good_is_not_answered_nor_asked_about_again(recipe: Recipe, dataset: Dataset) -> None:
    provider = Reworder({"harder": "Here is the rewritten prompt that you asked me for, about one maple."})
    done = run(recipe, dataset, provider)
    assert done.by["evolve"].refused == {"speaks-of-task": 2}
    assert provider.asked.count("answer") == 0
    plan = plan_augment(recipe, dataset, Writer(Reworder()))
    assert (plan.rows, plan.new_calls, plan.reused) == ({"evolve": 2}, 0, 2), "what is known is not billed"
    assert run(recipe, dataset, Reworder()).progress.usd == 0


def test_the_second_price_is_of_the_second_question_alone(recipe: Recipe, dataset: Dataset) -> None:
    only = recipe.model_copy(update={"augment": recipe.augment[1:]})
    whole = plan_augment(only, dataset, Writer(Reworder()))
    failing = Reworder({"answer": "I'm sorry, I can't help with that."})
    assert run(only, dataset, failing).by["evolve"].refused == {"refusal": 2}
    after = plan_augment(only, dataset, Writer(Reworder()))
    assert (whole.new_calls, after.new_calls, after.usd_worst) == (4, 0, 0.0)
    assert whole.usd_worst is not None
    longest = 4 * 200 * PRICE.output / 1e6 + 2 * 200 * PRICE.input / 1e6
    assert whole.usd_worst > longest, "an answer that another question holds may be as long as the limit allows"


def test_rows_that_ask_anew_go_with_the_row_that_they_are_made_from(recipe: Recipe, dataset: Dataset) -> None:
    run(recipe, dataset, Reworder())
    with dataset.sample_writer() as rows:
        turns = [{"role": "user", "content": "What makes a maple red?"},
                 {"role": "assistant", "content": f"{SAID} So it is."}]
        rows.add(Sample("0first", turns, cell={"tree": "maple"}, provenance={"draw": "x"}))
    assert kept(dataset, recipe) == [
        ("birch", "both"), ("birch", "own"), ("birch", "prompt"), ("birch", "prompt"), ("maple", "both"),
        ("maple", "own")]
    gone = [verdict for verdict in dataset.verdicts() if verdict.state == "dropped"]
    reasons = [found.reason for verdict in gone for found in verdict.findings if found.outcome == "drop"]
    assert sum("asks maple in other words" in reason for reason in reasons) == 2


def test_only_some_rows_and_what_was_made_of_them(recipe: Recipe, dataset: Dataset) -> None:
    only = Filters(axes=(("tree", "birch"),)).hold
    assert run(recipe, dataset, Reworder(), only=only).added == 3
    assert {pair.parent.id for pair in made(dataset)} == {"birch"}
    assert len(made(dataset, ["evolve"])) == 1
    assert made(dataset, None, Filters(axes=(("tree", "maple"),)).hold) == []
    (pair,) = made(dataset, ["evolve"])
    assert [role for role, _ in pair.changes] == ["user", "assistant"]
    spans = pair.changes[0][1]
    assert "".join(span.text for span in spans if span.what != "old") == pair.child.prompt
    assert pair.as_json()["rewrite"] == "evolve"


def test_prompts_and_answers_in_other_words_do_not_get_in_each_others_way(recipe: Recipe, dataset: Dataset) -> None:
    both = parse_recipe(RECIPE.replace("evolve: {ways: [deepen]}", "paraphrase: {of: answer}"), Path("leaves.yaml"))
    plan = plan_augment(both, dataset, Writer(Reworder()))
    assert (plan.rows, plan.children) == ({"paraphrase": 2}, 6)
    listed = plan_augment(both, dataset, Writer(Reworder()), None).touched
    rows = {sample.id: sample for sample in dataset.samples()}
    assert [(row.text, row.times) for row in listed] == [("prompt", 2), ("answer", 1)] * 2
    assert [row.begins for row in listed] == [text for row in rows.values() for text in (row.prompt, row.answer)]
    done = run(both, dataset, Reworder({"answer": "The green of a maple goes first, once nights are cold, and so what "
                                        "was under it all along is at last seen by us."}))
    assert done.added >= 5
    assert {sample.provenance.get("added") for sample in dataset.samples()} == {None, "prompt", "answer"}
