"""Finds answers that are to be JSON and cannot be read as it, or break a schema.

Without a schema only answers that are JSON by their form are looked at: text that goes on behind it, a key that stands
twice, a bracket that is not closed. With one every answer is to be JSON and to hold to it; see json_schema.py beside
this folder for the part of JSON Schema that is checked.
"""

from __future__ import annotations

import ast
import re
from typing import Any, Literal

from pydantic import ConfigDict, Field

from ..errors import RecipeError
from ..json_schema import broken, check_schema
from ..json_text import Unread, json_alone, json_in
from ..types import Sample
from ..views import answers
from . import Decision, Measured, OptionFault, Options, RowRule, Rule, kind_and_words

HOLDS, BROKEN = "holds", "broken"
_BEGUN = re.compile(r'\s*(?:\[\s*)*\{\s*"[^"\\\n]{0,200}"\s*:')
"""An object with its first key: whatever stands behind it was to be JSON. `[1] Smith` and `{{name}}` are not."""
_FENCED = re.compile(r"```(?:json)?[ \t]*\r?\n.*?\r?\n?[ \t]*```", re.DOTALL | re.IGNORECASE)


class Measure(Options):
    """What the answer is held to."""

    model_config = ConfigDict(serialize_by_alias=True)
    schema_: dict[str, Any] | None = Field(
        None, alias="schema", description="JSON Schema, or a file of one beside the recipe; none: that it is JSON")
    around: Literal["nothing", "fence", "text"] = Field(
        "fence", description="what may stand around the JSON: nothing, three backticks, or any text too")


class Bounds(Options):
    """What becomes of a row whose answer breaks it."""

    act: Literal["drop", "flag"] = Field("drop", description="what becomes of such a row")


class JsonSchema(RowRule[Measure, Bounds]):
    """Says `holds`, or `broken: WHERE: WHAT` of the first answer that does not."""

    files = ("schema",)

    def check(self) -> None:
        """A schema that says only what is checked."""
        if self.how.schema_ is not None:
            try:
                check_schema(self.how.schema_, "schema")
            except RecipeError as error:
                raise OptionFault(error.message, error.hint) from None

    def measure(self, sample: Sample) -> Measured | None:
        """What holds; None where no answer is JSON, and none has to be."""
        found = [self._fault(text) for text in answers(sample)]
        faults = [fault for fault in found if fault]
        if faults:
            return Measured(f"{BROKEN}: {faults[0]}")
        return Measured(HOLDS) if "" in found else None

    def decide(self, measured: Measured) -> Decision:
        """Drops or flags what is broken."""
        state, what = kind_and_words(measured)
        return Decision("keep") if state == HOLDS else Decision(self.bounds.act, what)

    def _fault(self, text: str) -> str | None:
        """What is wrong; empty where nothing is, None where the text is no JSON and need not be."""
        if self.how.schema_ is None and not _is_json(text):
            return None
        try:
            value = self._value(text)
        except Unread as unread:
            return None if self.how.schema_ is None and _is_another(text) else str(unread)
        fault = broken(value, self.how.schema_) if self.how.schema_ is not None else None
        return str(fault) if fault else ""

    def _value(self, text: str) -> Any:
        body = text.strip()
        if self.how.around == "text" or (self.how.around == "fence" and _FENCED.fullmatch(body)):
            return json_in(body)
        if body.startswith("```"):
            raise Unread("text stands around the JSON" if self.how.around == "fence" else "a fence is around the JSON")
        try:
            return json_alone(body)
        except Unread as unread:
            raise Unread(_behind(body) or str(unread)) from None


def _is_json(text: str) -> bool:
    """Whether a text is JSON by its form, whole or not. Of fences only one around all of it: else it is an answer in
    words that shows some JSON.
    """
    if _BEGUN.match(text):
        return True
    head = text.lstrip()[:8].lower()
    return head.startswith("```") and _FENCED.fullmatch(text.strip()) is not None and _BEGUN.match(
        text.strip().partition("\n")[2]) is not None


def _is_another(text: str) -> bool:
    """Whether it is whole in a notation that begins as JSON does: a line for each object, or Python's."""
    body = re.sub(r"^```\w*[ \t]*\r?\n|\r?\n?[ \t]*```$", "", text.strip())
    lines = [line for line in body.splitlines() if line.strip()]
    try:
        for line in lines:
            json_alone(line)
        return len(lines) > 1
    except Unread:
        pass
    try:
        ast.literal_eval(body)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
    return re.search(r"\b(?:True|False|None)\b|'", body) is not None  # else it is JSON with a comma too many


def _behind(body: str) -> str:
    """The words behind the JSON, where it is whole and text goes on."""
    try:
        json_in(body)
    except Unread:
        return ""
    return "text stands around the JSON"


plugin: type[Rule[Measure, Bounds]] = JsonSchema
