"""Options that verbs share: NAME, `--set`, how this machine runs it, `--yes`, `--json`.

One decorator, `target`, reads them and hands the verb a single `Target`: the only place of the
command line where settings are built and names are looked up.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipeline.locate import dataset_path, no_dataset, open_recipe
from pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from pipeline.recipe import Recipe
    from pipeline.store.dataset import Dataset

Verb = TypeVar("Verb", bound=Callable[..., Any])

LITTLE_USD = 1.0
"""A worst case up to this is not asked about: a dollar, as docs/money says."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a verb is about.

    Attributes:
        name: the NAME that was typed: a recipe, a dataset or a path to one.
        settings: synth.toml, the environment and the flags, in rising order.
        sets: the `--set` overrides of the recipe.
        cwd: where names are looked up.
        model: what `--model` named; it wins over the recipe's.
    """

    name: str
    settings: Settings
    sets: tuple[str, ...]
    cwd: Path
    model: str | None = None

    def recipe(self) -> Recipe:
        """The recipe: the user's file, else the dataset's snapshot. Raises RecipeError where there is none."""
        return open_recipe(self.name, self.cwd, self.settings, self.sets)

    @property
    def path(self) -> Path:
        """The dataset's folder, which may not exist yet."""
        return dataset_path(self.name, self.settings)

    @property
    def made(self) -> Path:
        """The dataset's folder. Raises DataError where there is none yet, with what makes one."""
        if not (self.path / "manifest.json").is_file():
            raise no_dataset(self.name, self.cwd, self.settings)
        return self.path

    def dataset(self) -> Dataset:
        """The dataset. Raises DataError where there is none yet."""
        from pipeline.store.dataset import Dataset

        return Dataset.open(self.made)


def target(
    *, sets: bool = False, asks: bool = False, hosts: bool = False, optional: bool = False
) -> Callable[[Verb], Verb]:
    """Adds NAME and the options below to a verb, which gets them as one argument `target`.

    Args:
        sets: with `--set`, for verbs that read the recipe.
        asks: with the options of how this machine asks models, `--model` to `--timeout`.
        hosts: with the same options, without `--model`, for verbs that ask models named elsewhere.
        optional: NAME may be left out; `target.name` is empty then.
    """

    def decorate(verb: Verb) -> Verb:
        @functools.wraps(verb)
        def wrapper(*args: Any, **given: Any) -> Any:
            flags = {key: given.pop(key) for key in _FLAGS if key in given}
            cwd = Path.cwd()
            settings = load_settings(cwd, os.environ, flags)
            wanted = Target(given.pop("name") or "", settings, given.pop("sets", ()), cwd, flags.get("model"))
            return verb(*args, target=wanted, **given)

        added: list[Callable[[Any], Any]] = [_DATASETS]
        added += [click.option("--set", "sets", multiple=True, metavar="A.B=C", help=_SET)] if sets else []
        added += _ASKING if asks else _ASKING[:-1] if hosts else []
        added += [click.argument("name", required=not optional, metavar="[NAME]" if optional else "NAME")]
        command: Any = wrapper
        for decorator in added:
            command = decorator(command)
        return command  # type: ignore[no-any-return]

    return decorate


_SET = "Override a key of the recipe for this call, as generate.max_tokens=200. Repeatable."
_DATASETS = click.option(
    "--datasets", type=click.Path(path_type=Path), metavar="DIR", help="Folder that holds the datasets. [datasets]"
)
_ASKING: list[Callable[[Any], Any]] = [
    click.option("--timeout", "timeout_s", type=float, metavar="SECONDS", help="Wait so long for one answer. [120]"),
    click.option("--concurrency", type=int, metavar="N", help="At most so many questions at a time. [32]"),
    click.option("--max-usd", type=float, metavar="USD", help="Never spend more than this on the dataset."),
    click.option("--key-env", metavar="VARIABLE", help="Environment variable that holds the key."),
    click.option("--base-url", metavar="URL", help="Where an OpenAI-compatible server answers."),
    click.option("--model", metavar="PROVIDER:MODEL", help="Who writes, as openai:gpt-4.1-mini. None: a rehearsal."),
]
_FLAGS = ("model", "base_url", "key_env", "max_usd", "concurrency", "timeout_s", "datasets")

json_option = click.option("--json", "json_", is_flag=True, help="One JSON document on stdout.")
"""`--json`, an argument `json_` of the verb."""

yes_option = click.option("--yes", is_flag=True, help="Do not ask before spending.")
"""`--yes`, an argument `yes` of the verb."""
