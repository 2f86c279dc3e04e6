"""The sections of a recipe: axes, sample, source, prompt, steps, parameters, training prompt, export, tuning, notes.

`recipe.py` puts them together, reads the file, and names every fault with its line.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from . import _faults

OURS = {
    "messages": "they come from the prompt", "model": "it is named by `generate.model`",
    "n": "one answer is asked for at a time; several of a cell are `sample: {repeats: 5}`",
    "stream": "answers come whole",
}
"""Keys of a request that `params` cannot set, and why."""
LANGUAGE = re.compile(r"[a-z]{2,3}|code|multilingual")
"""What the hub takes as a `language`: ISO 639-1, -2 or -3, or one of two words."""


class Section(BaseModel):
    """A frozen part of the recipe that knows all its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def _scalars(value: Any) -> Any:
    if isinstance(value, dict):
        alone = [key for key, of in value.items() if not isinstance(of, list)]
        if alone:
            raise ValueError(f"what stands for '{alone[0]}' is a list of values, as {{{alone[0]}: [one, two]}}")
        return {str(key): _scalars(of) for key, of in value.items()}
    if isinstance(value, list):
        bad = [item for item in value if isinstance(item, dict | list)]
        if bad:
            raise ValueError(f"values are texts or numbers, not {type(bad[0]).__name__}: {bad[0]!r}")
        if any(item is None or (isinstance(item, float) and not math.isfinite(item)) for item in value):
            raise ValueError("a value is empty (null), or no number; put quotes around it if it is a text")
        return [str(item) if not isinstance(item, str | int | float | bool) else item for item in value]
    return value


def _json(value: Any, where: str = "params") -> Any:
    """A value that a request can carry. Numbers for keys (`logit_bias` by token) become texts, as JSON has them."""
    if isinstance(value, dict):
        keys = [key for key in value if isinstance(key, bool) or not isinstance(key, str | int)]
        if keys:
            raise ValueError(f"{where}: {keys[0]!r} is no key that JSON has; put quotes around it")
        return {str(key): _json(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [_json(item, where) for item in value]
    if not isinstance(value, str | int | float | None) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"{where}: JSON has no such value: {value}; put quotes around it if it is a text")
    return value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


def _languages(value: Any) -> Any:
    """Codes of ISO 639, as the hub wants them. YAML reads Norwegian, `no`, as false."""
    found = ["no" if each is False else each for each in (value if isinstance(value, list) else [value])]
    wrong = [each for each in found if not (isinstance(each, str) and LANGUAGE.fullmatch(each))]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is no code of two or three letters, as en, de, gsw (or code, multilingual)")
    return found


class Numbers(Section):
    """A range of numbers, both ends included."""

    min: int | float
    max: int | float
    step: int | float = 1


class Axis(Section):
    """A named list of values. A bare list is sugar for `values`."""

    values: Annotated[
        list[str | int | float | bool] | dict[str, list[str | int | float | bool]] | None, BeforeValidator(_scalars)
    ] = Field(None, description="the values, in any order; with `by`, a list for each value of that axis")
    by: str | None = Field(None, description="the axis that the values depend on, as country for cities")
    weights: list[float] | None = Field(None, description="one per value: how often, relative to the others")
    file: str | None = Field(None, description="a text file with one value per line, beside the recipe")
    faker: str | None = Field(None, description="a Faker provider, as name, city, job")
    n: int = Field(100, ge=1, description="how many distinct values Faker makes")
    locale: str = Field("en_US", description="Faker's locale")
    numbers: Numbers | None = Field(None, description="a range of numbers")

    @model_validator(mode="before")
    @classmethod
    def _sugar(cls, value: Any) -> Any:
        if not isinstance(value, list | dict):
            raise ValueError("a list is wanted here, as [one, two], or {file: ...}, {faker: ...}, {numbers: ...}")
        return {"values": value} if isinstance(value, list) else value

    @model_validator(mode="after")
    def _one_kind(self) -> Axis:
        kinds = [name for name in ("values", "file", "faker", "numbers") if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError("an axis has exactly one of values, file, faker, numbers")
        if (self.by is not None) != isinstance(self.values, dict):
            raise ValueError("values that depend on another axis: {by: country, values: {France: [Paris, Lyon]}}")
        if self.by is not None and self.weights is not None:
            raise ValueError("values that depend on another axis have no weights: each comes as often as the others")
        if self.weights is not None and self.values is not None and len(self.weights) != len(self.values):
            raise ValueError(f"{len(self.weights)} weights for {len(self.values)} values")
        if self.weights is not None and self.values is None:
            raise ValueError("weights go with values")
        if self.weights is not None and (min(self.weights) < 0 or max(self.weights) <= 0):
            raise ValueError("weights are 0 or more, and one is above 0")
        return self


class SamplePlan(Section):
    """How many rows, and how they are drawn from the grid."""

    rows: int | None = Field(None, ge=1, description="how many rows; all cells where it is not given")
    how: Literal["random", "product", "pairwise", "balanced", "first"] = "random"
    repeats: int = Field(1, ge=1, description="answers per cell; with `keep`, at most so many where it is given")
    keep: int | None = Field(None, ge=1, description="on until so many rows pass `curate`, whatever `rows` says")


class Source(Section):
    """Rows that exist already: of one file, or of two folders of texts joined by file name."""

    file: str | None = Field(None, description="JSONL, JSON, CSV, TSV or Parquet, each also .gz")
    format: str | None = Field(None, description="rows are conversations of this format, as sharegpt")
    prompts: str | None = Field(None, description="folder of prompts, one text per file")
    completions: str | None = Field(None, description="folder of completions under the same file names")
    order: Literal["given", "name", "name-ignorecase"] = Field("name", description="order of the joined files")
    where: list[str] = Field(default_factory=list, description="conditions on the columns; all must hold")
    rows: int | None = Field(None, ge=1, description="the first so many that pass")
    encoding: str | None = Field(None, description="utf-8 where it is not given")

    @model_validator(mode="after")
    def _one_kind(self) -> Source:
        folders = self.prompts is not None and self.completions is not None
        if (self.file is None) != folders or (self.prompts is None) != (self.completions is None):
            raise ValueError("a source is a `file`, or two folders: `prompts` and `completions`")
        return self


class Answer(Section):
    """What an answer has to be to be used: one of some labels, or JSON. The prompt asks for it in its own words."""

    labels: list[str] | None = Field(None, description="the answer is one of these words, and nothing else")
    schema_: str | dict[str, Any] | None = Field(
        None, alias="schema", description="the answer is JSON by this schema: a mapping, or a file beside the recipe")
    model: str | None = Field(None, description="the answer is JSON by this pydantic class, as types.py:Ticket")
    send: bool | Literal["strict"] = Field(
        False, description="whether the host gets the schema as `response_format`; strict asks it to hold to it")

    @model_validator(mode="after")
    def _one_kind(self) -> Answer:
        kinds = [kind for kind in (self.labels, self.schema_, self.model) if kind is not None]
        if len(kinds) != 1:
            raise ValueError("an answer is held to exactly one of `labels`, `schema`, `model`")
        if self.labels is not None:
            folded = {label.strip().casefold() for label in self.labels}
            if len(folded) < max(2, len(self.labels)) or "" in folded:
                raise ValueError("labels are two or more words that differ in more than case")
            if self.send:
                raise ValueError("`send` goes with a schema: labels are asked for in the prompt's own words")
        return self


class Examples(Section):
    """Rows of a file that a prompt shows, drawn for each row by hash: templates get them as `examples`."""

    file: str = Field(description="JSONL, JSON, CSV, TSV or Parquet, each also .gz")
    n: int = Field(3, ge=1, le=1000, description="how many each prompt shows")
    where: list[str] = Field(default_factory=list, description="conditions on the columns; all must hold")
    encoding: str | None = Field(None, description="utf-8 where it is not given")


_One = str | dict[str, Any]
Skip = Annotated[list[_One], BeforeValidator(_listed, json_schema_input_type=_One | list[_One])]
"""Conditions, or row rules by name or as `{length: {min: 80, unit: chars}}`; one that holds is enough."""


class Prompt(Section):
    """What the writer is asked. Texts, or files beside the recipe."""

    user: str
    system: str | None = None
    salt: bool = Field(False, description="a short code per row at the head of the prompt, so that equal cells differ")
    examples: Examples | None = Field(None, description="rows of a file that the prompt shows")
    skip_when: Skip = Field(default_factory=list, description="conditions under which a row is not asked for")
    answer: Answer | None = Field(None, description="what an answer has to be to be used: labels, or JSON")

    @model_validator(mode="before")
    @classmethod
    def _sugar(cls, value: Any) -> Any:
        return {"user": value} if isinstance(value, str) else value


class Parameters(Section):
    """What goes into the request as it stands. Nothing is sent that is not written here."""

    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    params: Annotated[dict[str, Any], BeforeValidator(_json)] = Field(
        default_factory=dict, description="any other key of the request body")

    @model_validator(mode="after")
    def _nothing_of_ours(self) -> Self:
        for key in OURS.keys() & self.params.keys():
            raise _faults.fault(f"params.{key}: {OURS[key]}", "params", key)
        return self

    def body(self) -> dict[str, Any]:
        """The keys of the request body that are set, and no other."""
        given = self.model_dump(include=set(Parameters.model_fields) - {"params"}, exclude_none=True)
        return {**given, **self.params}


class Generate(Parameters):
    """The model that writes, and its parameters."""

    model: str | None = Field(None, description="PROVIDER:MODEL, as openai:gpt-4.1-mini; none means a rehearsal")
    floor: float = Field(0.5, ge=0, le=1, description="share of rows that must be answered, else exit code 3")


class Step(Parameters):
    """One question of several; its answer is a variable of the later ones."""

    name: str
    user: str
    system: str | None = None
    salt: bool = False
    examples: Examples | None = Field(None, description="rows of a file that the prompt shows")
    skip_when: Skip = Field(
        default_factory=list, description="conditions, or rules on the answer before, under which it is not asked")
    answer: Answer | None = Field(None, description="what an answer has to be to be used: labels, or JSON")
    model: str | None = Field(None, description="who answers this step, as openai:gpt-4.1; `generate.model` else")


class Second(Parameters):
    """How the second answer of a pair is asked for: what is written here goes over what the first was asked with."""

    model: str | None = Field(None, description="who gives it; the one who gave the first else")


class Judge(Parameters):
    """Who says which of two answers is better; templates know `answer_a` and `answer_b`, with a margin `answer`."""

    user: str
    system: str | None = None
    model: str | None = Field(None, description="who judges; `generate.model` else")
    margin: float | None = Field(
        None, gt=0, description="each answer gets a number of its own, and they must differ by so much")
    both_orders: bool = Field(False, description="asked in both orders; where they disagree it is a tie")

    @model_validator(mode="after")
    def _one_way(self) -> Judge:
        if self.margin is not None and self.both_orders:
            raise ValueError("with `margin` each answer is scored alone: `both_orders` would change nothing")
        return self


class Pairs(Section):
    """Two answers a row, and a judge: the better one is trained on, the other one stands as rejected."""

    second: Second = Field(default_factory=lambda: Second.model_validate({}))
    judge: Judge
    skip_when: Skip = Field(
        default_factory=list, description="conditions, or rules on the first answer, under which no second is asked")


class Train(Section):
    """What the tuned model will see: one exchange of templates, a column of messages, or one side of a dialogue."""

    system: str | None = None
    user: str | None = None
    assistant: str = "{{answer}}"
    messages: str | None = Field(None, description="a source column that holds whole conversations")
    role: str | None = Field(None, description="of a dialogue: whose turns are the assistant's")
    turns: Literal["all", "last"] | list[int] = Field(
        "all", description="of a dialogue: which of its turns are trained on, as numbers of the whole; else weight 0")

    @model_validator(mode="after")
    def _something(self) -> Train:
        if self.role is not None:
            beside = [key for key in ("user", "assistant", "messages") if key in self.model_fields_set]
            if beside:
                raise ValueError(f"`role` trains one side of a dialogue: `{beside[0]}` would change nothing")
            return self
        if "turns" in self.model_fields_set:
            raise ValueError("`turns` goes with `role`, the side of a dialogue that is trained on")
        if self.user is None and self.messages is None and "assistant" not in self.model_fields_set:
            raise ValueError("name `user` (a template), or `messages` (a column of conversations)")
        beside = [key for key in ("user", "assistant") if key in self.model_fields_set]
        if self.messages is not None and beside:
            raise ValueError(f"`messages` holds whole conversations: `{'` and `'.join(beside)}` would change nothing")
        return self


class Item(Section):
    """A plug-in and its options, as a list of a recipe names it."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _sugar(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and "name" not in value:
            for key in ("rule", "rewrite"):
                if key in value and str(value[key]).endswith(".py"):
                    return {"name": value[key], "options": {k: v for k, v in value.items() if k != key}}
            if len(value) == 1:
                (name, options), = value.items()
                if options is not None and not isinstance(options, dict):
                    options = {"value": options}  # the plug-in says which option that could be
                return {"name": name, "options": options or {}}
            raise ValueError("one plug-in per item: `- length: {min: 100, unit: chars}`")
        return value


class Export(Section):
    """Which files are written, and how rows are divided."""

    formats: list[Item] = Field(default_factory=lambda: [Item(name="openai-chat")])
    validation: float = Field(0.0, ge=0, lt=1, description="share of cells that go to the validation file")
    near_duplicate: float = Field(0.8, ge=0, le=1, description="Jaccard from which on rows stay on one side; 0 for off")
    order: Literal["cell", "given", "name", "name-ignorecase", "shuffled"] = "cell"
    ascii: bool = Field(False, description="escape as json.dumps does")
    seed: int = 0


class About(Section):
    """What readers of the files should know: it stands in manifest and dataset card, and changes no row."""

    title: str | None = Field(None, description="of the dataset card; the recipe's name else")
    description: str | None = Field(None, description="what the rows are for, in a sentence or two")
    license: str | None = Field(None, description="as cc-by-4.0, apache-2.0 or mit; nothing is stated where it is not")
    source: str | None = Field(None, description="where the rows or the ideas for them come from")
    language: Annotated[list[str], BeforeValidator(_languages, json_schema_input_type=str | list[str])] = Field(
        default_factory=list, description="codes as en, de; also code, multilingual")
    tags: Annotated[list[str], BeforeValidator(_listed, json_schema_input_type=str | list[str])] = Field(
        default_factory=list, description="words by which the dataset is found on a hub")


class Finetune(Section):
    """How a model is tuned on the export."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)
    backend: str = "lora"
    base: str = "tiny"


class Evaluate(Section):
    """How base and tuned model are compared."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)
    prompts: int = Field(5, ge=1)
