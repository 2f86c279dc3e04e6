"""How a row of a user's file becomes a conversation: by its own shape, a column, or templates over columns."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import orjson

from pipeline.errors import DataError, RecipeError, did_you_mean
from pipeline.formats import Format, FormatRefusal, find, recognise
from pipeline.grid.template import Template
from pipeline.read import columns as columns_of
from pipeline.read import rows
from pipeline.read.look import ANSWERS, LOOKED_AT, QUESTIONS, Guess, guess, look, parts
from pipeline.read.source import refuse_encoding
from pipeline.recipe import RESERVED, VARIABLE, Recipe
from pipeline.types import Example, Problem

_PARTS = ("fields", "cell")
_JSON_COLUMNS = ("messages", "conversations", "tools")


class Columns(NamedTuple):
    """What a person said about the columns; each a column's name or a template over columns.

    Attributes:
        prompt: the user turn, which may be one text for all rows; None for answers alone.
        completion: the assistant turn.
        system: the system text.
        messages: a column that holds whole conversations; never a template.
    """

    prompt: str | None = None
    completion: str | None = None
    system: str | None = None
    messages: str | None = None

    def __bool__(self) -> bool:
        return any(part is not None for part in self)


class Shape(Protocol):
    """A way to read rows."""

    name: str
    """What people call it: a format, or the columns."""
    train: dict[str, str]
    """The recipe's `train` section that says the same."""
    format: str | None
    """The recipe's `source.format`, where rows are conversations."""
    export: str
    """The format in which such rows are exported unless another is asked for."""

    def read(self, values: Mapping[str, Any], where: str) -> Example:
        """A row as an Example. Raises FormatRefusal where it cannot be one."""


def example_of(
    shape: Shape, values: Mapping[str, Any], where: str, report: Callable[[Problem], None]
) -> Example | None:
    """A row as an Example; None where it cannot be one, and `report` gets why."""
    try:
        return shape.read(values, where)
    except FormatRefusal as refusal:
        for problem in refusal.problems(where):
            report(problem)
        return None


def shape_of_file(path: Path) -> Shape:
    """The way to read a file's rows by their own shape; looks at no more than its beginning.

    Raises:
        DataError: it holds no row that can be read.
        RecipeError: rows of no known shape, with the command that says which columns they are.
    """
    refuse_encoding(path, None)
    faults: list[Problem] = []
    head = rows(path, faults.append)
    first = next(head, None)
    head.close()  # type: ignore[attr-defined]
    if first is None:
        fault = next((found for found in faults if found.severity == "error"), None)
        raise DataError(f"{path}: holds no row that can be read" + (f": {fault.message}" if fault else ""),
                        fault.fix if fault else f"synth check {path}")
    names = columns_of(path)
    found = shape_of(Columns(), names, first.values, str(path))
    if found is None:
        again: Iterator[Any] = (row.values for row in rows(path, faults.append))
        name = path.name.split(".")[0]
        return shape_by_names(names, again, str(path), shlex.join(["synth", "import", name, str(path)]))
    return found


def shape_of(columns: Columns, names: Sequence[str], first: Mapping[str, Any], where: str) -> Shape | None:
    """The way to read rows.

    Args:
        columns: what was said about them.
        names: the file's columns.
        first: its first row.
        where: the file, for errors.

    Returns:
        None where nothing was said and the row has no known shape.

    Raises:
        RecipeError: options that exclude each other, or a column that is not there.
    """
    if columns.messages is not None:
        if columns.prompt is not None or columns.completion is not None or columns.system is not None:
            raise RecipeError("--messages holds whole conversations: --prompt, --completion and --system have no place",
                              f"--messages {columns.messages}")
        if columns.messages not in names:
            raise RecipeError(f"{where}: no column '{columns.messages}'", did_you_mean(columns.messages, names))
        return Conversations(columns.messages)
    if not columns:
        found = recognise(thawed(first))
        return Recognised(found) if found is not None else None
    if columns.completion is None:
        raise RecipeError("--completion is missing: the column, or the template, of what is to be answered",
                          did_you_mean("completion", names))
    return Templated(columns, names, where)


def shape_by_names(names: Sequence[str], rows: Iterable[Mapping[str, Any]], where: str, command: str) -> Templated:
    """The way to read rows that have the shape of no format: by the usual names of question and answer.

    Args:
        names: the file's columns.
        rows: the first rows; some are looked at.
        where: the file.
        command: `synth import NAME FILE`.

    Raises:
        RecipeError: the names leave it open: the columns, and the command that is probably meant.
    """
    found = guess(*look(islice(rows, LOOKED_AT)))
    if not found.by_names:
        listed = ", ".join(names) or "none"
        raise RecipeError(f"{where}: cannot tell question and answer apart; its columns are: {listed}",
                          f"{command} {arguments(found)}")
    shape = Templated(Columns(found.prompt[0], found.completion), names, where)
    shape.name += " (by their names: --prompt and --completion say otherwise)"
    return shape


def arguments(found: Guess) -> str:
    """A guess as options: `--prompt question --completion answer`."""
    if found.completion is None:
        return "--completion COLUMN"
    prompt = found.prompt[0] if len(found.prompt) == 1 else template_of(found)
    asked = f"--prompt {_quoted(prompt)} " if found.prompt else ""
    return f"{asked}--completion {_quoted(found.completion)}"


def template_of(found: Guess) -> str:
    """The columns of a prompt under each other, as a template; one that is empty in some rows adds no line to those."""
    lines = [variable(name) for name in found.prompt[:1]]
    for name in found.prompt[1:]:
        line, it = f"\n{variable(name)}", variable(name)[2:-2]
        lines.append(f"{{% if {it} is defined and {it} %}}{line}{{% endif %}}" if name in found.sparse else line)
    return "".join(lines)


def variable(name: str) -> str:
    """A column in a template: `{{body}}`, or `{{fields['Ticket text']}}` where its name is no variable.

    What is a template already, as a part of a column of objects, stays as it is.
    """
    if name.startswith("{{") and name.endswith("}}"):
        return name
    if VARIABLE.fullmatch(name) and (name not in RESERVED or name == "answer"):
        return "{{" + name + "}}"
    return "{{fields[" + repr(name) + "]}}"


def thawed(values: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose columns of conversations, JSON texts in tables, are lists as elsewhere."""
    row = dict(values)
    for name in _JSON_COLUMNS:
        text = row.get(name)
        if isinstance(text, str) and text.lstrip().startswith("["):
            try:
                row[name] = orjson.loads(text)
            except orjson.JSONDecodeError:
                continue
    return row


class Recognised:
    """Rows that have the shape of a format: chat, ShareGPT, Alpaca, prompt and completion."""

    def __init__(self, found: Format) -> None:
        self._format = found
        self.name: str = found.name
        self.format: str | None = found.name
        self.export: str = found.name
        self.train: dict[str, str] = _TRAIN.get(found.name, {"messages": found.column})

    def read(self, values: Mapping[str, Any], where: str) -> Example:
        """See Shape."""
        return self._format.read(thawed(values))


_TRAIN = {
    "alpaca": {
        "user": "{{instruction}}{% if input is defined and input %}\n\n{{input}}{% endif %}",
        "assistant": "{{output}}",
    },
    "prompt-completion": {"user": "{{prompt}}", "assistant": "{{completion}}"},
}
"""What a format's rows are in the words of a recipe; the others hold conversations in a column."""


def refuse_unheeded(recipe: Recipe) -> None:
    """Stops where `train` says what the rows of `source.format` do not heed: they are trained as they stand.

    Raises:
        RecipeError: with the line of `train`, and what to take out.
    """
    form = recipe.source.format if recipe.source and not recipe.asks else None
    if form is None:
        return
    told = recipe.train.model_dump(include=recipe.train.model_fields_set, exclude_none=True)
    if told != Recognised(find(form)).train:
        raise RecipeError(
            f"{recipe.at('train')}: rows of `source: {{format: {form}}}` are trained as they stand: this would "
            "change nothing",
            "take `format` out of `source` in a recipe of another name, and `train` says what is trained")


class Conversations:
    """A column of conversations: chat messages or ShareGPT turns, as lists or as JSON texts."""

    export = "openai-chat"
    format: str | None = None

    def __init__(self, column: str) -> None:
        self.name = f"conversations of column {column}"
        self._column = column
        self.train = {"messages": column}
        self._chat, self._turns = find("openai-chat"), find("sharegpt")

    def read(self, values: Mapping[str, Any], where: str) -> Example:
        """See Shape."""
        rest = {name: value for name, value in values.items() if name != self._column}
        row = thawed({**rest, "messages": values.get(self._column)})
        turns = row["messages"]
        if isinstance(turns, list) and turns and isinstance(turns[0], dict) and "role" not in turns[0]:
            del row["messages"]
            return self._turns.read({**row, "conversations": turns})
        return self._chat.read(row)


class Templated:
    """Columns, or templates over columns, for the turns of one exchange.

    A text that is a column is taken as it is, whatever its length; it is not stripped. An empty prompt or
    system text is no turn. `fields` of the rows are all columns but those in `left_out`.
    """

    def __init__(self, columns: Columns, names: Sequence[str], where: str, left_out: Sequence[str] = ()) -> None:
        self.format: str | None = None
        self._left_out = frozenset(left_out)
        self._parts = {
            role: _Part(spec, f"--{option}", names, where,
                        literal=role == "system" or (role == "user" and _is_text(spec, names)))
            for role, option, spec in (("system", "system", columns.system), ("user", "prompt", columns.prompt),
                                       ("assistant", "completion", columns.completion))
            if spec is not None
        }
        self.train = {role: part.text for role, part in self._parts.items()}
        self.export = "prompt-completion" if "user" not in self._parts or left_out else "openai-chat"
        self.name = ", ".join(f"{role} = {part.shown}" for role, part in self._parts.items())

    def read(self, values: Mapping[str, Any], where: str) -> Example:
        """See Shape."""
        texts = {role: part.fill(values, where) for role, part in self._parts.items()}
        messages = [{"role": role, "content": text} for role, text in texts.items() if text or role == "assistant"]
        return Example(messages, fields={name: value for name, value in values.items() if name not in self._left_out})


def _is_text(spec: str, names: Sequence[str]) -> bool:
    """Whether what was given for a column is a sentence, and no column is called like it."""
    return " " in spec.strip() and not did_you_mean(spec, names).startswith("did you mean")


class _Part:
    """One text of an exchange: a column, or a template."""

    def __init__(self, spec: str, option: str, names: Sequence[str], where: str, literal: bool) -> None:
        self.column = spec if spec in names else None
        self.shown = spec if self.column else repr(spec)
        self.text = variable(spec) if self.column else spec
        self._template: Template | None = None
        if self.column is not None:
            return
        if not literal and "{{" not in spec and "{%" not in spec:
            raise RecipeError(f"{where}: no column '{spec}' for {option}", did_you_mean(spec, names))
        self._template = Template(spec, option)
        unknown = [name for name in sorted(self._template.needed) if name not in names and name not in _PARTS]
        unknown += [part.key for part in self._template.parts
                    if part.variable == "fields" and not part.optional and part.key not in names]
        if unknown:
            listed = ", ".join(f"'{name}'" for name in unknown)
            raise RecipeError(f"{where}: {option} names {listed}, which is no column", did_you_mean(unknown[0], names))

    def fill(self, values: Mapping[str, Any], where: str) -> str:
        """The text of a row. Raises FormatRefusal where the row does not have it."""
        if self._template is None:
            return self._plain(values)
        for name in sorted(self._template.needed - values.keys() - set(_PARTS)):
            raise FormatRefusal("missing-column", f"has no '{name}'", f"write {{{{{name} | default('')}}}} to allow it")
        for name in sorted(self._template.printed):
            if name in values and values[name] is None:
                cure = f"write {{{{{name} | default('', true)}}}} to allow it"
                raise FormatRefusal("null", f"'{name}' is null", cure)
        try:
            return self._template.render({"cell": {}, "fields": dict(values), **values})
        except RecipeError as error:
            raise FormatRefusal("template", error.message, error.hint) from None

    def _plain(self, values: Mapping[str, Any]) -> str:
        assert self.column is not None
        if self.column not in values:
            raise FormatRefusal("missing-column", f"has no '{self.column}'", "fill it, or leave the row out")
        value = values[self.column]
        if isinstance(value, str):
            return value
        if value is None:
            raise FormatRefusal("null", f"'{self.column}' is null", "fill it, or leave the row out")
        if isinstance(value, list | dict):
            kind = "a list" if isinstance(value, list) else "an object"
            cure = f"say how it is written: {_how(self.column, value)}"
            raise FormatRefusal("not-a-text", f"'{self.column}' is {kind}, not a text", cure)
        return str(value)


def _how(column: str, value: Any) -> str:
    """A template that makes a text of a list or an object: by the part that answers go by, where it has one."""
    named = {key.casefold(): part for part, key in parts(column, value)}
    if named:
        return next(named[key] for key in (*ANSWERS, *QUESTIONS) if key in named)
    if not isinstance(value, list):
        return variable(column).replace("}}", ".PART}}")
    return variable(column).replace("}}", "[0].PART}}" if value and isinstance(value[0], dict) else " | join(', ')}}")


def _quoted(text: str) -> str:
    """A word for a shell, also where it holds line breaks."""
    if "\n" in text:
        return "$'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"
    return shlex.quote(text)
