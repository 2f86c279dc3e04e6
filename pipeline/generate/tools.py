"""Tools of a dialogue: read once from the recipe, and a turn that calls them, held to their parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from pipeline.digest import digest
from pipeline.errors import RecipeError
from pipeline.json_schema import broken, check_schema, stand_in
from pipeline.json_text import Unread, json_alone
from pipeline.readers import Reader, Said, heard
from pipeline.recipe import Recipe, Same
from pipeline.types import Call, Message

Tool = Mapping[str, Any]
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MARKS = ("<tool_call>", "[TOOL_CALLS]", "<|python_tag|>", "<function=")
"""How models write calls that a host leaves in the text (Hermes and Qwen, Mistral, Llama 3.1 and 3.2)."""


class ToolCall(NamedTuple):
    """One call as it was read.

    Attributes:
        id: the host's, or made up where it gave none of its own.
        text: the arguments as they came.
        arguments: what they are.
    """

    id: str
    name: str
    text: str
    arguments: dict[str, Any]

    def message(self) -> dict[str, Any]:
        """As an assistant message has it."""
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.text}}


class Turn:
    """What a turn of a role with tools is held to: words, or calls that its tools allow. A Reader that reads calls.

    Args:
        tools: of the role.
        left: calls that it may still make in this turn.
        spoken: what of a text the other one hears.
        must: whether it has to say something, since nothing could be trained on otherwise.
        whole: whether it has to be whole as well, for the same reason.
        expected: whether a call stands in for a turn that is not known yet.
    """

    label = False

    def __init__(
        self, tools: Sequence[Tool], left: int, spoken: Callable[[str], str], *, must: bool = False,
        whole: bool = False, expected: bool = False,
    ) -> None:
        self.schemas = {tool["function"]["name"]: tool["function"].get("parameters") or {} for tool in tools}
        self.left, self.expected = left if tools else 0, expected
        self.spoken, self.must, self.whole = spoken, must, whole
        named = ", ".join(self.schemas)
        self.wanted = (f"call a tool ({named}) with JSON arguments that its parameters allow" if self.left
                       else "in words, without calling a tool" if tools else "in words")
        self.name = digest("turn", list(tools), left)
        self.hint: dict[str, Any] = {}

    def read(self, text: str, *, cut: bool = False) -> Said:
        """See Reader: a turn in words."""
        mark = next((mark for mark in _MARKS if mark in text), None)
        if mark is not None:
            raise Unread(f"a tool call stands in its text, as {mark}, where the host was to take it out")
        if self.whole and cut:
            raise Unread("it was cut at the output limit")
        said = self.spoken(text)
        if self.must and not said.strip():
            raise Unread("it says nothing")
        return Said(said, [])

    def hear(self, call: Call, before: Call | None) -> Said:
        """What a turn says: its text, and as value its calls. `before` is the turn that it is the repair of.

        Raises:
            Unread: an unknown tool, arguments that are no JSON object or break the parameters, more calls than are
                left; as a repair of a call, no call.
        """
        raw = (call.message or {}).get("tool_calls") or []
        if not raw:
            if before is not None and self.left and (before.message or {}).get("tool_calls"):
                raise Unread("it calls no tool any more")
            return self.read(call.text, cut=call.ended == "length")
        if not isinstance(raw, list):
            raise Unread("its tool calls are no list")
        if not self.schemas:
            raise Unread("it calls a tool, and has none")
        if not self.left:
            raise Unread("it calls a tool once more than a turn may")
        if len(raw) > self.left:
            raise Unread(f"it calls tools {len(raw)} times at once, of {self.left} that are left")
        found = [self._call(each, place, call.id) for place, each in enumerate(raw)]
        ids = [each.id for each in found]
        if len(set(ids)) < len(ids):  # results could not be told apart
            found = [each._replace(id=_made_up(call.id, place)) for place, each in enumerate(found)]
        return Said(self.spoken(call.text), found)

    def _call(self, raw: Any, place: int, asked: str) -> ToolCall:
        function = raw.get("function") if isinstance(raw, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if function is None or not isinstance(name, str):
            raise Unread("a tool call without a name")
        if name not in self.schemas:
            raise Unread(f"there is no tool {name!r}, only {', '.join(self.schemas)}")
        text = function.get("arguments")
        text = text if isinstance(text, str) and text else json.dumps(text or {}, ensure_ascii=False)
        try:
            arguments = json_alone(text)
        except Unread as fault:
            raise Unread(f"the arguments of {name}: {fault}") from None
        if not isinstance(arguments, dict):
            raise Unread(f"the arguments of {name} are no JSON object")
        if wrong := broken(arguments, self.schemas[name]):
            raise Unread(f"the arguments of {name}: {wrong}")
        named = raw.get("id")
        return ToolCall(named if isinstance(named, str) and named else _made_up(asked, place), name, text, arguments)

    def stand_in(self) -> Said:
        """See Reader: a call where one is expected, else words."""
        return Said("", [self.call_in_place("call")] if self.expected and self.left else [])

    def call_in_place(self, named: str) -> ToolCall:
        """A call in the place of one that is not known."""
        name, schema = next(iter(self.schemas.items()))
        value = stand_in(schema) if schema else {}
        arguments = value if isinstance(value, dict) else {}
        return ToolCall(named, name, json.dumps(arguments, ensure_ascii=False), arguments)


def hear(reader: Reader, call: Call, before: Call | None = None) -> Said:
    """What a call says to its reader; `before` is the answer that it is the repair of.

    Raises:
        Unread: it cannot be used.
    """
    if isinstance(reader, Turn):
        return reader.hear(call, before)
    return heard(reader, call)


def _made_up(asked: str, place: int) -> str:
    """An id for a call to which its host gave none: the same one each time it is read."""
    return f"call_{digest('tool call', asked, place)[:16]}"


def as_text(call: Call) -> str:
    """What an answer says and calls, as a text: for a person, and for the model that is to mend it."""
    raw = (call.message or {}).get("tool_calls")
    said = [call.text] if call.text.strip() else []
    for each in raw if isinstance(raw, list) else []:
        function = each.get("function") if isinstance(each, dict) else None
        function = function if isinstance(function, dict) else {}
        said.append(f"{function.get('name')}({function.get('arguments')})")
    return "\n".join(said) if raw else call.text


def turn_message(text: str, calls: Sequence[ToolCall]) -> Message:
    """A turn as the assistant message of the role that has it."""
    if not calls:
        return {"role": "assistant", "content": text}
    return {"role": "assistant", "content": text or None, "tool_calls": [each.message() for each in calls]}


@lru_cache(maxsize=16)
def _tools(key: Same, role: str) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    recipe = key.recipe
    assert recipe.dialogue is not None
    named = recipe.dialogue.roles[role].tools
    where = recipe.at("dialogue", "roles", role, "tools")
    found: Any = named
    if isinstance(named, str):
        path = recipe.beside(named, "dialogue", "roles", role, "tools")
        where = str(path)
        try:
            found = json.loads(path.read_bytes())
        except ValueError as error:
            raise RecipeError(f"{where}: not JSON: {error}", f"python -m json.tool {where}") from None
    if named is None:
        return [], ()
    unchecked: list[str] = []
    if not isinstance(found, list) or not found:
        raise RecipeError(f"{where}: tools are a list of one or more", _AS)
    for number, tool in enumerate(found, 1):
        _check(tool, number, where, unchecked)
    names = [tool["function"]["name"] for tool in found]
    if len(set(names)) < len(names):
        raise RecipeError(f"{where}: two tools of one name", "rename one")
    return found, tuple(f"{where}: {each} is not checked" for each in unchecked)


_AS = 'as [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}]'


def _check(tool: Any, number: int, where: str, unchecked: list[str]) -> None:
    function = tool.get("function") if isinstance(tool, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not _NAME.fullmatch(name):
        raise RecipeError(f"{where}: tool {number} has no function with a name of letters, digits, '_' and '-'", _AS)
    parameters = function.get("parameters")
    if parameters is not None:
        own: list[str] = []
        check_schema(parameters, f"{where}: {name}", own)
        unchecked += [f"{name}: {each}" for each in own]


def tools_of(recipe: Recipe, role: str) -> list[dict[str, Any]]:
    """The tools of a role as they are sent and trained with; none where it has none.

    Raises:
        RecipeError: a file that is not there or no JSON, a tool without a name, parameters that mean nothing.
    """
    return _tools(Same(recipe), role)[0]


def doubtful(recipe: Recipe) -> list[str]:
    """What of a dialogue is probably not meant, a sentence each with its place.

    Parameters of tools that no argument is held to, tools and roles that the model is told nothing of.
    """
    found: list[str] = []
    for role, speaker in recipe.dialogue.roles.items() if recipe.dialogue else ():
        tools, loose = _tools(Same(recipe), role)
        found += loose
        where = recipe.at("dialogue", "roles", role)
        found += [f"{where}: {tool['function']['name']} has no description: the model does not know what it is for"
                  for tool in tools if not tool["function"].get("description")]
        if speaker.system is None and not speaker.user:
            found.append(f"{where}: '{role}' has no `system`: it is told nothing of who it is")
    return list(dict.fromkeys(found))
