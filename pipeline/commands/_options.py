"""Options that verbs share: NAME, `--set`, how this machine runs it, `--yes`, `--json`.

One decorator, `target`, reads them and hands the verb a single `Target`: the only place of the
command line where settings are built and names are looked up.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipeline.commands import _console as console
from pipeline.commands import group
from pipeline.errors import RecipeError, SynthError
from pipeline.locate import dataset_path, no_dataset, only_shipped, open_recipe, shipped
from pipeline.overrides import meant
from pipeline.recipe import Recipe, load_recipe
from pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from pipeline.store.dataset import Dataset

Verb = TypeVar("Verb", bound=Callable[..., Any])

SET, KEEP, BATCH = "--set", "--keep", "--batch"
READS = {"curate": ("curate",), "export": ("export", "about")}
"""Verbs that look at some sections of the recipe, and which; to set another would change nothing there."""
TUNES = ("finetune", "run")
"""Verbs that look at `finetune`: what was set of it is not repeated for others."""
HOSTS = ("--base-url", "--key-env")
"""Options of hosts, which mean nothing to who tunes on this machine."""
_COMMAND = re.compile(r"(synth ([a-z]+)(?: \S+)*)(| {2,}.*)")
"""A line with a command and maybe, behind at least two spaces, a comment."""

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
        verb: what was typed before it.
        typed: the options of how this machine runs it, and of the recipe, as they were typed.
    """

    name: str
    settings: Settings
    sets: tuple[str, ...]
    cwd: Path
    model: str | None = None
    verb: str = ""
    typed: tuple[tuple[str, str], ...] = ()

    def told(self, text: str) -> str:
        """Commands that are proposed, with the options that were typed here, so that they do what is meant.

        Each line that begins with a command gets those that its verb takes and that it does not have yet; what
        stands behind two spaces is a comment. NAME stands for the name that was typed.
        """
        lines = [self._line(line) for line in text.split("\n")]
        room = max((len(words) for words, comment in lines if comment), default=0)
        return "\n".join(f"{words:<{room}}   {comment.lstrip()}" if comment else words for words, comment in lines)

    def _line(self, line: str) -> tuple[str, str]:
        """A line with what was typed, and its comment."""
        found = _COMMAND.fullmatch(line)
        context = click.get_current_context(silent=True)
        if found is None or context is None:
            return line, ""
        words, verb, comment = found.groups()
        command = group.get_command(context, verb)
        if command is None:
            return line, ""
        takes = {option for parameter in command.params for option in parameter.opts}
        given = words.split()
        words = words.replace(" NAME", f" {shlex.quote(self.name)}") if self.name else words
        for option, value in self.typed:
            if option == SET and not _repeated(verb, value):
                continue
            if option in HOSTS and " --backend lora" in words:
                continue
            if verb == "curate" != self.verb and option in ASKING and not self._judges:
                continue
            if option in takes and (option not in given or (option == SET and value not in words)):
                words += f" {option} {shlex.quote(value)}" if value else f" {option}"
        return words, comment

    @property
    def _judges(self) -> bool:
        """Whether curating asks anybody."""
        from pipeline.curate.asking import asks
        from pipeline.options import own_folder
        from pipeline.rules import open_rules

        with suppress(SynthError):
            recipe = open_recipe(self.name, self.cwd, self.settings, self.sets)
            return bool(asks(open_rules(recipe.curate, folder=own_folder(recipe.path, self.path))))
        return False

    def again(self) -> str:
        """What was typed, with the verb's own options, as --retry; `told` adds those that verbs share."""
        words = [f"synth {self.verb} {shlex.quote(self.name)}"]
        context = click.get_current_context(silent=True)
        for parameter in context.command.params if context else ():
            option, given = parameter.opts[0], context.params.get(parameter.name or "") if context else None
            if not given or option in SHARED or not option.startswith("--"):
                continue
            values = given if isinstance(given, tuple) else (given,)
            words += [option if value is True else f"{option} {shlex.quote(str(value))}" for value in values]
        return " ".join(words)

    def recipe(self) -> Recipe:
        """The recipe: the user's file, else the dataset's snapshot; for `plan` else a shipped one.

        Raises:
            RecipeError: there is none, it has a fault, or `--set` names a key that this verb does not look at.
        """
        for text in self.sets:
            if text.partition("=")[0].strip().split(".")[0] not in Recipe.model_fields and (said := meant(text)):
                raise RecipeError(f"--set {text}: no key of a recipe; a plug-in is named within its list",
                                  f"{self.again()} {SET} {shlex.quote(said)}")
            if not _read(self.verb, text):
                looks = "` and `".join(READS[self.verb])
                raise RecipeError(f"--set {text}: {self.verb} looks only at `{looks}` of the recipe",
                                  f"synth run {self.name} --set {shlex.quote(text)}")
        if self.verb == "plan" and self.only_shipped:
            return load_recipe(shipped()[self.name] / "recipe.yaml", self.sets)
        return open_recipe(self.name, self.cwd, self.settings, self.sets)

    @property
    def only_shipped(self) -> bool:
        """Whether the name is that of a starter, and nothing of that name is here: `plan` reads it where it lies."""
        return only_shipped(self.name, self.cwd, self.settings)

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


def _typed(value: object) -> str:
    """The value of an option as a person types it; nothing for a flag."""
    return "" if value is True else f"{value:.12g}" if isinstance(value, float) else f"{value}"


def _read(verb: str, given: str) -> bool:
    """Whether a verb looks at the key that a `--set` names."""
    section = given.partition("=")[0].strip().split(".")[0]
    return section in READS.get(verb, (section,))


def _repeated(verb: str, given: str) -> bool:
    """Whether a `--set` is worth repeating for a verb."""
    return _read(verb, given) and (verb in TUNES or not given.strip().startswith("finetune."))


def target(
    *, sets: bool = False, asks: bool = False, hosts: bool = False, optional: bool = False, keep: bool = False,
    batch: bool = False,
) -> Callable[[Verb], Verb]:
    """Adds NAME and the options below to a verb, which gets them as one argument `target`.

    Args:
        sets: with `--set`, for verbs that read the recipe.
        asks: with the options of how this machine asks models, `--model` to `--timeout`.
        hosts: with the same options, without `--model`, for verbs that ask models named elsewhere.
        optional: NAME may be left out; `target.name` is empty then.
        keep: with `--keep N`, short for `--set sample.keep=N`.
        batch: with `--batch`.
    """

    def decorate(verb: Verb) -> Verb:
        @functools.wraps(verb)
        def wrapper(*args: Any, **given: Any) -> Any:
            flags = {key: given.pop(key) for key in _FLAGS if key in given}
            cwd, sets = Path.cwd(), given.pop("sets", ())
            settings = load_settings(cwd, os.environ, flags)
            typed = [(_FLAGS[key], _typed(value)) for key, value in flags.items() if value is not None]
            typed += [(SET, each) for each in sets]
            if (goal := given.pop("keep", None)) is not None:
                sets, typed = (*sets, f"sample.keep={goal}"), [*typed, (KEEP, f"{goal}")]
            context = click.get_current_context()
            wanted = Target(given.pop("name") or "", settings, sets, cwd, flags.get("model"), context.info_name or "",
                            tuple(typed))
            context.meta[console.TOLD] = wanted.told
            try:
                return verb(*args, target=wanted, **given)
            except SynthError as error:
                error.hint = wanted.told(error.hint)
                raise

        added: list[Callable[[Any], Any]] = [_DATASETS]
        added += [click.option(SET, "sets", multiple=True, metavar="A.B=C", help=_SET)] if sets else []
        added += [click.option(KEEP, type=click.IntRange(1), metavar="N", help=_KEEP)] if keep else []
        added += [click.option(BATCH, is_flag=True, default=None, help=_BATCH)] if batch else []
        added += _ASKING if asks else _ASKING[:-1] if hosts else []
        added += [click.argument("name", required=not optional, metavar="[NAME]" if optional else "NAME")]
        command: Any = wrapper
        for decorator in added:
            command = decorator(command)
        return command  # type: ignore[no-any-return]

    return decorate


_SET = ("Override a key of the recipe for this call, as generate.max_tokens=200 or, within a list, "
        "curate.length.min=400. Repeatable.")
_BATCH = "Ask in batches: half the price where the host says so, answers within a day."
_KEEP = "On until N rows pass the recipe's rules, evenly over the axes. [the recipe's sample.keep]"
_DATASETS = click.option(
    "--datasets", type=click.Path(path_type=Path), metavar="DIR", help="Folder that holds the datasets. [datasets]"
)
_ASKING: list[Callable[[Any], Any]] = [
    click.option("--timeout", "timeout_s", type=float, metavar="SECONDS", help="Wait so long for one answer. [120]"),
    click.option("--tpm", type=int, metavar="N", help="Tokens a minute that the host allows you."),
    click.option("--rpm", type=int, metavar="N", help="Requests a minute that the host allows you."),
    click.option("--concurrency", type=int, metavar="N", help="At most so many questions at a time. [32]"),
    click.option("--max-usd", type=float, metavar="USD", help="Never spend more than this on the dataset."),
    click.option("--key-env", metavar="VARIABLE", help="Environment variable that holds the key."),
    click.option("--base-url", metavar="URL", help="Where an OpenAI-compatible server answers."),
    click.option("--model", metavar="PROVIDER:MODEL", help="Who writes, as openai:gpt-4.1-mini. None: a rehearsal."),
]
_FLAGS = {
    "model": "--model", "base_url": "--base-url", "key_env": "--key-env", "max_usd": "--max-usd",
    "batch": BATCH, "concurrency": "--concurrency", "rpm": "--rpm", "tpm": "--tpm", "timeout_s": "--timeout",
    "datasets": "--datasets",
}
"""Argument of a verb that is a setting -> its option."""
ASKING = {*_FLAGS.values()} - {"--datasets"}
"""Options that say how somebody is asked."""
SHARED = {*_FLAGS.values(), SET, KEEP, "--yes", "--json"}
"""Options that `told` adds by itself, and those that a proposal leaves to the person."""

json_option = click.option("--json", "json_", is_flag=True, help="One JSON document on stdout.")
"""`--json`, an argument `json_` of the verb."""

yes_option = click.option("--yes", is_flag=True, help="Do not ask before spending.")
"""`--yes`, an argument `yes` of the verb."""
