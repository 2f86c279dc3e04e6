"""Answers with a thumb up or down a line, {"prompt": [...], "completion": [...], "label": true}, for TRL's KTOTrainer.

Unpaired: a row is one answer, and `label` says whether it is desired. It is the row's own label (a line of this format
keeps it when it is imported), or a column that `label: COLUMN` names, as thumbs with `desired: up`. A row without one
is refused. The last answer is what the label is about; the answers before it are part of what is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

from pydantic import Field

from pipeline.errors import did_you_mean
from pipeline.options import Options
from pipeline.types import Example, Problem

from . import Format, FormatRefusal, error, plain
from ._preference import answer_problems, prompted_problems, prompted_shape
from ._turns import others

aliases = ("kto",)
_KEYS = ("prompt", "completion", "label", "tools")
_TRUE, _FALSE = "true", "false"


class How(Options):
    """Where a row says whether its answer is desired."""

    label: str | None = Field(None, description="the column that says it, as thumbs; none: the row's own label")
    desired: str | None = Field(None, description="what that column holds of a desired answer, as up; none: true")


class TrlKto(Format):
    """What is asked, an answer, and whether it is desired."""

    name = "trl-kto"
    rank = 13
    column = "prompt"
    model = How
    how: How
    holds = frozenset({"system", "turns", "tools", "label"})

    def values(self, example: Example) -> dict[str, Any]:
        """See Format."""
        messages, label = [plain(message) for message in example.messages], self._label(example)
        found = list(answer_problems(messages[-1:], "completion", example.sample))
        if any("weight" in message for message in messages):
            found.append(error("holds-no-weight", example.sample, f"{self.name} trains the last answer alone",
                               "export it as openai-chat"))
        if len(messages) == 1:
            found.append(error("no-user", example.sample, "nothing is asked: TRL's prompt would be empty",
                               "add a user message"))
        if label is None:
            found.append(error("no-label", example.sample, *self._unsaid(example)))
        if found:
            raise FormatRefusal.of(found)
        tools = {"tools": example.tools} if example.tools else {}
        return {"prompt": messages[:-1], "completion": messages[-1:], "label": label, **tools}

    def read(self, values: Mapping[str, Any]) -> Example:
        """See Format. The label is the row's, as `true` or `false`."""
        shape = next(chain(_unlabelled(values, ""), prompted_shape(values, "")), None)
        if shape is not None:
            raise FormatRefusal(shape.code, shape.message, shape.fix)
        messages = [dict(message) for message in (*values["prompt"], *values["completion"])]
        return Example(messages, label=_TRUE if values["label"] else _FALSE, tools=values.get("tools") or None,
                       fields=others(values, _KEYS))

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """See Format."""
        return (isinstance(values.get("prompt"), list) and isinstance(values.get("completion"), list)
                and isinstance(values.get("label"), bool))

    def problems(self, values: Mapping[str, Any], where: str) -> Iterator[Problem]:
        """See Format."""
        yield from _unlabelled(values, where)
        yield from prompted_problems(self.name, values, where)

    def normal(self, example: Example) -> Example:
        """See Format; and the label is `true`, `false` or none."""
        label = self._label(example)
        return replace(super().normal(example), label=None if label is None else _TRUE if label else _FALSE)

    def same(self, found: Example, wanted: Example) -> bool:
        """See Format; the label counts."""
        return super().same(found, wanted) and (found.label == self.normal(wanted).label)

    def _label(self, example: Example) -> bool | None:
        """Whether the answer is desired; None where nothing says it."""
        said = example.fields.get(self.how.label) if self.how.label else example.label
        if said is None:
            return None
        if self.how.desired is not None:
            return str(said) == self.how.desired
        return {_TRUE: True, _FALSE: False, "1": True, "0": False}.get(str(said).strip().casefold())

    def _unsaid(self, example: Example) -> tuple[str, str]:
        """Why nothing says whether an answer is desired, and what to do."""
        column = self.how.label
        said = example.fields.get(column) if column else example.label
        if column and column not in example.fields:
            known = ", ".join(example.fields) or "none"
            return f"the row has no column {column}; columns: {known}", did_you_mean(column, sorted(example.fields))
        if said is not None:
            named = f"label: {column}, " if column else ""
            what = f"{column or 'its label'} holds {str(said)[:40]!r}, which is neither true nor false"
            return what, f"say what it holds of a desired answer, as 'trl-kto: {{{named}desired: up}}'"
        if column:
            return f"{column} is empty, so nothing says whether the answer is desired", "fill it in, or drop the row"
        return ("nothing says whether the answer is desired",
                "name the column that does, as 'trl-kto: {label: thumbs, desired: up}'")


def _unlabelled(values: Mapping[str, Any], where: str) -> Iterator[Problem]:
    if not isinstance(values.get("label"), bool):
        yield error("no-label", where, "'label' is not true or false", "true where the answer is desired")


plugin: type[Format] = TrlKto
