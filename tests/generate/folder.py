"""A recipe in a folder of its own, run against a scripted provider that says what it was asked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.generate import Generated, Options, RunPlan, Writer, generate, plan_run
from pipeline.prices import Price
from pipeline.recipe import Recipe, load_recipe
from pipeline.settings import Settings
from pipeline.store import Dataset
from pipeline.types import CallRequest, Sample
from tests.engine.scripted import Said, Scripted, answer
from tests.made import TWELVE

PRICE = Price(1.0, 10.0, None, "2026-11", "a test")
Says = Callable[[str, int], Said | str]

RECIPE = TWELVE + """\
train: {user: "{{hero}}, {{place}}"}
generate: {model: "scripted:m", max_tokens: 100}
"""


class Folder:
    """A folder with `tales.yaml` and `datasets/`; `prompts` counts the questions that were sent, by their text."""

    def __init__(self, path: Path, recipe: str = RECIPE, name: str = "tales") -> None:
        self.path, self.name = path, name
        self.prompts: Counter[str] = Counter()
        self.says: Says = lambda prompt, turn: f"story: {prompt}"
        self.provider = Scripted(self._script)
        self.settings = Settings(concurrency=4, retries=1)
        self.price: Price | None = PRICE
        self.write(recipe)

    def _script(self, asked: CallRequest, turn: int) -> Said:
        prompt = str(asked.body["messages"][-1]["content"])
        self.prompts[prompt] += 1
        said = self.says(prompt, turn)
        return answer(said) if isinstance(said, str) else said

    def write(self, recipe: str, **files: str) -> None:
        """The recipe, and files beside it."""
        (self.path / f"{self.name}.yaml").write_text(recipe)
        for name, text in files.items():
            (self.path / name).write_text(text)

    def edit(self, *words: str) -> None:
        """Puts the second word for the first in the recipe, the fourth for the third, ..."""
        text = (self.path / f"{self.name}.yaml").read_text()
        for old, new in zip(words[::2], words[1::2]):
            assert old in text
            text = text.replace(old, new)
        self.write(text)

    @property
    def recipe(self) -> Recipe:
        return load_recipe(self.path / f"{self.name}.yaml")

    @property
    def home(self) -> Path:
        return self.path / "datasets" / self.name

    @property
    def file(self) -> Path:
        return self.home / "samples.jsonl"

    @property
    def writer(self) -> Writer:
        return Writer(self.provider, "m", self.price)

    def run(self, **options: Any) -> Generated:
        """`synth generate`, in this process."""
        with Dataset.create(self.home) as dataset:
            return generate(self.recipe, dataset, self.writer, self.settings, Options(**options))

    def asked(self, **options: Any) -> int:
        """As `run`; how many questions it sent."""
        before = self.prompts.total()
        self.run(**options)
        return self.prompts.total() - before

    def plan(self, rows: int | None = None) -> RunPlan:
        with Dataset(self.home) as dataset:
            return plan_run(self.recipe, dataset, self.writer, rows)

    def rows(self) -> list[Sample]:
        with Dataset.open(self.home) as dataset:
            return list(dataset.samples())

    def standing(self) -> list[Sample]:
        """Rows that are part of the set today."""
        with Dataset.open(self.home) as dataset:
            aside = dataset.aside()
            return [row for row in dataset.samples() if aside(row) is None]

    def states(self) -> Counter[str]:
        with Dataset.open(self.home) as dataset:
            return dataset.plan.states().counts()

    def spent(self) -> float:
        with Dataset.open(self.home) as dataset:
            spent = dataset.calls.spent()
            return spent.usd + spent.unconfirmed_usd

    def failures(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.home / "failures.jsonl").read_text().splitlines()]
