"""From the text of a call to what it says: a label, JSON, a number. A fact is read, never changed, and never bent.

Steps, judges of pairs and rules that ask read answers by these and by nothing else: one that cannot be read is a
failure with its class, and never stands for something.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from .digest import digest
from .json_schema import broken, stand_in
from .json_text import Unread, json_in
from .types import Call, FailureClass

_AROUND = " \t\r\n\"'`“”‘’«»"
_NUMBER = re.compile(r"-?\d{1,9}(?:\.\d{1,9})?")
SHOWN = 200
"""Characters of an answer that a message quotes."""


class Said(NamedTuple):
    """What an answer says.

    Attributes:
        text: as a template prints it and as it is trained on.
        value: as a template takes parts of it, and as it stands in `fields`.
    """

    text: str
    value: Any


class Reader(Protocol):
    """What an answer is held to.

    Attributes:
        wanted: what a second try is told to answer with.
        name: digest of all that it is held to.
        label: whether it is a label, which the row carries as such.
        hint: for a rehearsal: what would be used.
    """

    wanted: str
    name: str
    label: bool
    hint: dict[str, Any]

    def read(self, text: str, *, cut: bool = False) -> Said:
        """What a text says.

        Args:
            text: as it came.
            cut: it ran into the output limit, so that it may have gone on.

        Raises:
            Unread: it cannot be used.
        """

    def stand_in(self) -> Said:
        """Something in its place, while it is not known."""


class Labels:
    """One of some words. White space, quotes and a full stop around it are left out, and case does not count."""

    label = True

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = {label.strip().casefold(): label.strip() for label in labels}
        self.wanted = f"exactly one of these, and nothing else: {', '.join(self.labels.values())}"
        self.name = digest("labels", list(self.labels.values()))
        self.hint = {"labels": list(self.labels.values())}

    def read(self, text: str, *, cut: bool = False) -> Said:
        """See Reader. A text that was cut and begins another label as well is none."""
        word = _bare(text)
        label = self.labels.get(word.casefold()) or self.labels.get(text.strip(_AROUND).casefold())
        longer = [other for other in self.labels if cut and other != word.casefold()
                  and other.startswith(word.casefold())]
        if label is None or longer:
            raise Unread(f"{_quoted(text)} is not one of {', '.join(self.labels.values())}")
        return Said(label, label)

    def stand_in(self) -> Said:
        """See Reader."""
        label = next(iter(self.labels.values()))
        return Said(label, label)


class Number:
    """A number alone, as a judge gives one."""

    label = False
    wanted = "a number, and nothing else"
    name = "number"

    def __init__(self) -> None:
        self.hint: dict[str, Any] = {"number": True}

    def read(self, text: str, *, cut: bool = False) -> Said:
        """See Reader."""
        word = _bare(text)
        if cut or not _NUMBER.fullmatch(word):
            raise Unread(f"{_quoted(text)} is not a number alone")
        return Said(word, float(word))

    def stand_in(self) -> Said:
        """See Reader."""
        return Said("0", 0.0)


class Json:
    """JSON, held to a schema. The value is as it was written: no default is filled in, no type is changed."""

    label = False
    wanted = "the JSON alone, without any text around it"

    def __init__(self, schema: Any, model: Any = None, name: str = "") -> None:
        self.schema, self._model = schema, model
        self.name = digest("json", schema, name)
        self.hint = {"schema": schema}

    def read(self, text: str, *, cut: bool = False) -> Said:
        """See Reader. How the JSON is found in a text: see `json_in`."""
        if cut:
            raise Unread("it was cut at the output limit")
        value = json_in(text)
        fault = broken(value, self.schema) if self._model is None else self._misfit(value)
        if fault:
            raise Unread(str(fault))
        return Said(json.dumps(value, ensure_ascii=False), value)

    def _misfit(self, value: Any) -> str | None:
        """The first fault that the pydantic class finds; numbers in quotes are no numbers."""
        from pydantic import ValidationError

        try:
            self._model.model_validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
            return f"${path}: {first['msg']}"
        return None

    def stand_in(self) -> Said:
        """See Reader."""
        value = stand_in(self.schema)
        return Said(json.dumps(value, ensure_ascii=False), value)


def _bare(text: str) -> str:
    """A word without white space, quotes and one final full stop around it."""
    return text.strip(_AROUND).removesuffix(".").strip(_AROUND)


def _quoted(text: str) -> str:
    shown = " ".join(text.split())
    return repr(shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}...") if shown else "an empty answer"


def kind_of(call: Call) -> FailureClass:
    """The class of an answer that cannot be used."""
    if call.ended == "length":
        return "length"
    if call.ended == "content_filter":
        return "content_filter"
    return "refused" if (call.message or {}).get("refusal") else "parse"


def heard(reader: Reader, call: Call) -> Said:
    """What the text of a call says to its reader.

    Raises:
        Unread: it cannot be used.
    """
    return reader.read(call.text, cut=call.ended == "length")


def response_format(name: str, schema: Any, strict: bool) -> dict[str, Any]:
    """The key of a request by which a host is told the schema; `strict` asks it to hold to it."""
    held: dict[str, Any] = {"name": name, "schema": schema}
    if strict:
        held["strict"] = True
    return {"response_format": {"type": "json_schema", "json_schema": held}}
