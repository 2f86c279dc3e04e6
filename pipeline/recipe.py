"""The recipe: what the rows ARE. YAML to a frozen model, every fault with its line.

`load_recipe` reads a file; `recipe_schema` is the JSON schema that editors complete from.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from . import _faults, _yaml, overrides
from .dialogue import Dialogue
from .errors import RecipeError, did_you_mean
from .sections import (
    About,
    Axis,
    Evaluate,
    Export,
    Finetune,
    Generate,
    Item,
    Pairs,
    Prompt,
    SamplePlan,
    Section,
    Source,
    Step,
    Train,
)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
TEXT_FILES = (".md", ".txt", ".j2", ".jinja")
RESERVED = ("salt", "answer", "cell", "fields", "messages")


class Recipe(Section):
    """A whole recipe. `axes` or `source`, and `train`, are what it cannot do without."""

    synth: Literal[1]
    name: str
    seed: int = 0
    axes: dict[str, Axis] = Field(default_factory=dict)
    source: Source | None = None
    where: list[str] = Field(default_factory=list, description="conditions on a cell; all must hold")
    sample: SamplePlan = Field(default_factory=lambda: SamplePlan.model_validate({}))
    prompt: Prompt | None = None
    steps: list[Step] = Field(default_factory=list)
    dialogue: Dialogue | None = Field(None, description="in place of prompt and steps: two roles that talk by turns")
    pairs: Pairs | None = None
    train: Train
    generate: Generate = Field(default_factory=lambda: Generate.model_validate({}))
    curate: list[Item] = Field(default_factory=lambda: [Item(name="sft")], description="rules, or presets of them")
    augment: list[Item] = Field(default_factory=list)
    export: Export = Field(default_factory=lambda: Export.model_validate({}))
    finetune: Finetune | None = None
    evaluate: Evaluate | None = None
    about: About | None = Field(None, description="licence, language and source, for those who get the files")

    _path: Path | None = PrivateAttr(None)
    _text: str = PrivateAttr("")
    _lines: _yaml.Lines = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> Recipe:
        asks = self.asks
        if not NAME.fullmatch(self.name):
            what = "letters, digits, '.', '_' and '-', starting with a letter or digit"
            raise _faults.fault(f"name '{self.name}': {what}", "name")
        if not self.axes and self.source is None:
            raise ValueError("rows come from `axes` (to write them) or from `source` (they exist already)")
        if self.source is not None and self.sample.keep is not None:
            raise _faults.fault("`keep` draws more cells of `axes`; a source has the rows that it has: say `rows`, and "
                                "see how many of them pass", "sample", "keep")
        if self.prompt is not None and self.steps:
            raise _faults.fault("`prompt` is sugar for one step: write `prompt` or `steps`", "steps")
        self._spoken()
        if self.axes and not asks:
            raise _faults.fault("`axes` need a `prompt` to fill", "axes")
        if self.pairs is not None and not self.asks:
            raise _faults.fault("`pairs` need a `prompt`: two answers to it are compared", "pairs")
        if self.pairs is not None and self.train.messages is not None:
            raise _faults.fault("`pairs` end in an answer of the writer; `train.messages` has answers already", "pairs")
        places: dict[str, tuple[str | int, ...]] = {name: ("axes", name) for name in self.axes}
        for index, step in enumerate(self.steps):
            if step.name in places:
                raise _faults.fault(f"'{step.name}' names two things", "steps", index, "name")
            places[step.name] = ("steps", index, "name")
        if "examples" in places and any(step.examples for step in asks):
            raise _faults.fault("'examples' names two things: this, and the rows that a prompt shows",
                                *places["examples"])
        for name, at in places.items():
            if not VARIABLE.fullmatch(name) or name in RESERVED[:1] or (name in RESERVED and name in self.axes):
                reserved = ", ".join(RESERVED)
                what = f"'{name}' cannot be a variable: letters, digits and '_', and none of {reserved}"
                raise _faults.fault(what, *at)
        return self

    def _spoken(self) -> None:
        """Whether dialogue and training prompt go together."""
        dialogue, role = self.dialogue, self.train.role
        if dialogue is None:
            if role is not None:
                raise _faults.fault("`role` is for a `dialogue`, and there is none", "train", "role")
            return
        beside = next((key for key in ("prompt", "steps", "pairs") if getattr(self, key)), None)
        if beside is not None:
            raise _faults.fault(f"`dialogue` stands in the place of `{beside}`: leave one out", beside)
        if role not in dialogue.roles:
            what = f"'{role}' is no role of the dialogue" if role else "which role is trained on?"
            raise _faults.fault(f"{what}: role: {' or '.join(dialogue.roles)}", "train", *(["role"] if role else []))
        if not dialogue.lengths(role):
            raise _faults.fault(f"a dialogue of {dialogue.most} never ends in a turn of '{role}', and what stands "
                                f"behind its last one would be paid and not trained on: turns: {dialogue.most + 1}",
                                "dialogue", "turns")
        if isinstance(self.train.turns, list):
            theirs = [number for number in range(1, dialogue.most + 1) if dialogue.speaker(number) == role]
            wrong = [number for number in self.train.turns if number not in theirs]
            if wrong or not self.train.turns:
                raise _faults.fault(f"turns of '{role}' are {', '.join(map(str, theirs))}", "train", "turns")
        if "call" in self.axes and dialogue.tool is not None:
            raise _faults.fault("'call' cannot be an axis here: it is what a tool is called with", "axes", "call")

    @property
    def asks(self) -> list[Step]:
        """The questions in order; `prompt` is one step named `answer`, and a dialogue has one for each who is asked."""
        prompt, dialogue = self.prompt, self.dialogue
        if prompt is None and dialogue is None:
            return self.steps
        # looked at many times for each row, and a private attribute of pydantic takes ten times as long
        made: tuple[Prompt | Dialogue, list[Step]] | None = self.__dict__.get("_asked")
        if made is None or made[0] is not (prompt or dialogue):  # a copy may have another
            if prompt is not None:
                given: dict[str, Any] = {key: getattr(prompt, key) for key in Prompt.model_fields}
                made = prompt, [Step(name="answer", **given)]
            elif dialogue is not None:
                made = dialogue, dialogue.asks()
            self.__dict__["_asked"] = made
        assert made is not None
        return made[1]

    @property
    def folder(self) -> Path:
        """Where its files are looked for."""
        return self._path.parent if self._path else Path()

    @property
    def path(self) -> Path | None:
        """The file it was read from."""
        return self._path

    @property
    def text(self) -> str:
        """The YAML as it was read."""
        return self._text

    def at(self, *where: str | int) -> str:
        """`plots.yaml:12` for a part of the recipe, as `recipe.at("axes", "genre")`."""
        return _faults.place(self._path, self._lines, where)

    def template(self, text: str, *where: str | int) -> str:
        """A template's text: itself, or the file beside the recipe that it names.

        One final line break of a file is left out, since editors add it.

        Raises:
            RecipeError: the file is not there or not UTF-8.
        """
        if "\n" in text or "{{" in text or not text.endswith(TEXT_FILES):
            return text
        path = self.folder / text
        try:
            data = self.beside(text, *where, kinds=TEXT_FILES).read_bytes()
            content = data.decode("utf-8-sig").replace("\r\n", "\n")
        except OSError as error:
            raise RecipeError(f"{self.at(*where)}: {path}: {error.strerror}", f"ls -l {path}") from None
        except UnicodeDecodeError as error:
            raise RecipeError(f"{path}: not UTF-8 at byte {error.start}", f"iconv -t utf-8 {path}") from None
        return content.removesuffix("\n")

    def beside(self, file: str, *where: str | int, kinds: tuple[str, ...] = ("",)) -> Path:
        """A file that the recipe names; `kinds` are the endings of those that could have been meant.

        Raises:
            RecipeError: there is none, with what there is of a like name.
        """
        path = self.folder / file
        if path.is_file():
            return path
        here = path.parent.is_relative_to(self.folder) and path.parent.is_dir()
        near = [other.relative_to(self.folder).as_posix() for other in path.parent.iterdir()] if here else []
        hint = did_you_mean(file, sorted(name for name in near if name.endswith(kinds)))
        if Path(file).is_file() and not Path(file).is_absolute():  # where the command was typed
            hint = f"paths count from the recipe's folder: there it is {os.path.relpath(file, self.folder)}"
        raise RecipeError(f"{self.at(*where)}: no file {path}", hint)


class Same:
    """A recipe as a key of what is made of it once: equal to itself alone."""

    __slots__ = ("recipe",)

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.recipe is self.recipe

    def __hash__(self) -> int:
        return id(self.recipe)


def load_recipe(path: Path, sets: Sequence[str] = ()) -> Recipe:
    """Reads a recipe file.

    Args:
        path: a YAML file.
        sets: overrides as `generate.max_tokens=200`; the value is YAML.

    Raises:
        RecipeError: with file, line and what to write instead.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}", f"synth init {path.stem}") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not UTF-8 at byte {error.start}") from None
    return parse_recipe(text, path, sets)


def parse_recipe(text: str, path: Path | None = None, sets: Sequence[str] = ()) -> Recipe:
    """As `load_recipe`, from text."""
    value, lines = _yaml.parse(text, _faults.place(path, {}, ()))
    if not isinstance(value, dict):
        raise RecipeError(f"{_faults.place(path, {}, ())}: a recipe is a mapping of keys", "synth init NAME --blank")
    for override in sets:
        overrides.override(value, override, lines, _listed())
    try:
        recipe = Recipe.model_validate(value)
    except ValidationError as error:
        raise _faults.explain(error, Recipe, value, path, lines) from None
    recipe._path, recipe._text, recipe._lines = path, text, lines
    return recipe


def _listed() -> dict[tuple[str, ...], list[Item]]:
    """What each list of plug-ins holds where a recipe has none."""
    found: dict[tuple[str, ...], list[Item]] = {}
    for home in overrides.LISTS:
        model: Any = Recipe
        for key in home[:-1]:
            model = model.model_fields[key].annotation
        found[home] = model.model_fields[home[-1]].get_default(call_default_factory=True)
    return found


def recipe_schema() -> dict[str, Any]:
    """The JSON schema of a recipe, sugar included, for editors."""
    schema = Recipe.model_json_schema()
    definitions = cast(dict[str, Any], schema["$defs"])
    definitions["Axis"] = {"anyOf": [{"type": "array"}, definitions["Axis"]]}
    definitions["Prompt"] = {"anyOf": [{"type": "string"}, definitions["Prompt"]]}
    definitions["Item"] = {"anyOf": [{"type": "string"}, {"type": "object"}]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "synth recipe", **schema}

