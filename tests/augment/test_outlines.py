"""`fill_sections` on 252 real outlines, 33 of which lack some of their 15 beats: what is gained, refused, paid."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.augment import augment, plan_augment
from pipeline.curate import curate
from pipeline.engine import Answer
from pipeline.headings import missing_sections
from pipeline.prices import Price
from pipeline.recipe import parse_recipe
from pipeline.settings import Settings
from pipeline.store import Dataset
from pipeline.types import CallRequest, Message, Sample, Usage
from tests import made

BEATS = ("Opening Image", "Theme Stated", "Setup", "Catalyst", "Debate", "Break Into Two", "B Story", "Fun and Games",
         "Midpoint", "Bad Guys Close In", "All is Lost", "Dark Night of the Soul", "Break Into Three", "Finale",
         "Final Image")
PRICE = Price(input=0.4, output=1.6, cached=None, date="2026-11-21", source="test")
RECIPE = made.TALES + """\
generate: {max_tokens: 3000}
curate: [cut_ending, {sections: {act: drop}}]
augment: [fill_sections]
"""


class Beats:
    """Writes the beats that it is asked for with texts of other real outlines; every few answers are no good."""

    namespace, rehearsal = "openai", False

    def __init__(self, outlines: list[str]) -> None:
        self.asked: list[str] = []
        self.known: dict[str, list[str]] = {}
        for outline in outlines:
            for name, text in re.findall(r"^\d+\. ([A-Z][\w ]+?): (.{40,})$", outline, re.MULTILINE):
                self.known.setdefault(name, []).append(text)

    def body(self, model: str, messages: list[Message], parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {"model": model, "messages": messages, **parameters}

    async def ask(self, request: CallRequest) -> Answer:
        wish, number = request.body["messages"][-1]["content"], len(self.asked)
        self.asked.append(wish)
        heads = re.findall(r"^\d+\. .*:$", wish, re.MULTILINE)
        lines = [f"{head} {self.known[head.split('. ')[1][:-1]][number + at]}" for at, head in enumerate(heads)]
        text, reason = "\n\n".join(lines), "stop"
        if number % 6 == 1:
            text = f"Certainly! Here they are:\n\n{text}\n\nI hope this helps!"
        elif number % 6 == 2:
            text = f"{request.body['messages'][-2]['content']}\n\n{text}"
        elif number % 6 == 3:
            text = "\n\n".join(lines[:-1])
        elif number % 6 == 4:
            text, reason = text[:50], "length"
        return Answer({"role": "assistant", "content": text}, reason, Usage(700, len(text) // 4), "writer-1")

    async def models(self) -> list[str]:
        return ["writer-1"]

    async def close(self) -> None:
        pass


class Writer:
    """The beats, for a price."""

    def __init__(self, outlines: list[str]) -> None:
        self.provider, self.model, self.price = Beats(outlines), "writer-1", PRICE


@pytest.fixture
def outlines(shared_data: Path) -> list[str]:
    lines = (shared_data / "outlines" / "outlines.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["outline"] for line in lines]


def test_missing_beats_are_filled_and_nothing_else_changes(tmp_path: Path, outlines: list[str]) -> None:
    recipe = parse_recipe(RECIPE, tmp_path / "outlines.yaml")
    prompt = "An outline in 15 beats:\n" + "\n".join(f"{number}. {beat}" for number, beat in enumerate(BEATS, 1))
    with Dataset.create(tmp_path / "outlines") as dataset:
        with dataset.sample_writer() as rows:
            for number, outline in enumerate(outlines):
                turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": outline}]
                rows.add(Sample(f"row{number:03d}", turns, cell={"hero": "baker", "place": "Lima"}))
        curate(dataset, recipe.curate, recipe)
        writer: Any = Writer(outlines)
        plan = plan_augment(recipe, dataset, writer)
        assert (plan.rows, plan.new_calls, plan.free) == ({"fill-sections": 33}, 33, 0)
        assert plan.usd_expected is not None
        assert plan.usd_worst is not None

        done = augment(recipe, dataset, writer, Settings(retries=0, concurrency=1))
        tally = done.by["fill-sections"]
        assert (tally.touched, tally.calls, tally.gained) == (33, 33, done.added)
        assert tally.gained + tally.refused.total() == 33
        assert (tally.refused["finish-reason"], tally.refused["still-missing"]) == (5, 5)
        assert tally.usd == pytest.approx(done.progress.usd)
        assert tally.usd_per_row == pytest.approx(done.usd_per_row)
        assert tally.usd_per_row is not None
        assert plan.usd_expected / 2 < (tally.usd or 0) < plan.usd_worst
        present = [set(re.findall(r"\d+\. [A-Z][\w ]+:", wish)) for wish in writer.provider.asked]
        assert all(1 <= len(heads) <= 10 for heads in present), "only the missing beats are asked for"

        curate(dataset, recipe.curate, recipe)
        states = {verdict.sample: verdict.state for verdict in dataset.verdicts()}
        samples = {sample.id: sample for sample in dataset.samples()}
        children = [sample for sample in samples.values() if sample.parent]
        assert len(children) == tally.gained >= 20
        for child in children:
            parent = samples[str(child.parent)]
            assert (states[child.id], states[parent.id]) == ("kept", "dropped")
            gone = {name.removesuffix(" (empty)") for name in missing_sections(parent.answer, BEATS)}
            assert missing_sections(child.answer, BEATS, in_order=True) == []
            old = parent.answer.splitlines()
            new = [line for line in child.answer.splitlines() if line.strip() and line not in old]
            assert len(new) == len(gone)
            assert all(re.sub(r"^\d+\. (.*?): .*", r"\1", line) in gone for line in new)
        assert sum(state == "kept" for state in states.values()) == 219 + tally.gained
