"""The section `dialogue` of a recipe: two roles that talk by turns, their tools, and who answers a tool."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from . import _faults
from .sections import Answer, Parameters, Section, Step

TOOL = "tool"
"""The part that answers tool calls, beside the two roles."""


class Speaker(Parameters):
    """One of the two. It sees its own turns as the assistant's and those of the other as the user's."""

    system: str | None = None
    user: str | None = Field(None, description="what it is asked to begin with; the role that has it speaks first")
    model: str | None = Field(None, description="who speaks, as openai:gpt-4.1; `generate.model` else")
    tools: str | list[dict[str, Any]] | None = Field(
        None, description="what it may call, as OpenAI's chat API has `tools`: a list, or a JSON file with one")
    ends: str | None = Field(
        None, min_length=1, description="a word by which it ends the conversation, as [END]; it is cut off its turn")


class Simulated(Parameters):
    """Who answers a tool call: a template, or a model that is asked. Both know `call.name` and `call.arguments`."""

    says: str | None = Field(None, description="the result as a template, which costs nothing")
    user: str | None = Field(None, description="what a model is asked in the tool's place")
    system: str | None = None
    model: str | None = Field(None, description="who is asked; `generate.model` else")
    answer: Answer | None = Field(None, description="what the result has to be to be used, as a schema")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.says is None) == (self.user is None):
            raise ValueError("a tool is answered by `says`, a template, or by a model that is asked `user`")
        asked = sorted(self.model_fields_set - {"says"})
        if self.says is not None and asked:
            raise ValueError(f"`says` asks nobody: `{asked[0]}` would change nothing")
        return self


class Span(Section):
    """From how many turns to how many; each dialogue draws its own number."""

    min: int = Field(ge=1)
    max: int

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.max < self.min:
            raise ValueError(f"from {self.min} to {self.max} there is no number of turns")
        return self


class Dialogue(Section):
    """Two roles, by turns."""

    roles: dict[str, Speaker]
    turns: Annotated[int, Field(ge=1)] | Span = Field(
        description="messages of the two together, or {min, max}, drawn for each row by its cell")
    tool: Simulated | None = Field(None, description="who answers the tool calls")
    calls: int = Field(4, ge=1, description="tool calls in one turn at most")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(self.roles) != 2:
            raise _faults.fault(f"a dialogue has two roles, not {len(self.roles)}", "roles")
        first = [name for name, role in self.roles.items() if role.user is not None]
        if len(first) != 1:
            both = "both roles" if first else "no role"
            raise _faults.fault(f"{both} would begin: the one that speaks first, and no other, has `user`", "roles")
        for name, role in self.roles.items():
            if name == TOOL or not name.isidentifier():
                raise _faults.fault(f"'{name}' cannot be a role: letters, digits and '_', and not '{TOOL}'", "roles",
                                    name)
            if role.tools is not None and "tools" in role.params:
                raise _faults.fault("`tools` and `params.tools` say the same: leave one out", "roles", name, "params")
            if role.tools is not None and self.tool is None:
                raise _faults.fault(f"'{name}' has tools, and nobody answers them: tool: {{says: ...}}, or "
                                    "tool: {user: ...}", "roles", name, "tools")
        if self.tool is not None and all(role.tools is None for role in self.roles.values()):
            raise _faults.fault("no role has `tools`, so that `tool` would answer nobody", TOOL)
        return self

    @property
    def order(self) -> tuple[str, str]:
        """The two roles, the one that begins first."""
        first, other = self.roles
        return (first, other) if self.roles[first].user is not None else (other, first)

    @property
    def most(self) -> int:
        """Turns at most."""
        return self.turns if isinstance(self.turns, int) else self.turns.max

    def lengths(self, last: str) -> list[int]:
        """The numbers of turns that a dialogue may have, which all end in a turn of `last`."""
        low, high = (self.turns, self.turns) if isinstance(self.turns, int) else (self.turns.min, self.turns.max)
        return [number for number in range(low, high + 1) if self.speaker(number) == last]

    def speaker(self, number: int) -> str:
        """Who has a turn, counted from 1."""
        return self.order[(number - 1) % 2]

    def spoken(self, name: str, text: str) -> str:
        """What a role said, without its word for the end and what stands behind that."""
        word = self.roles[name].ends
        return text.partition(word)[0].rstrip() if word is not None and word in text else text

    def asks(self) -> list[Step]:
        """The questions that can be asked: of the role that begins, of the other one, and in the tool's place."""
        found = [_step(name, self.roles[name], self.roles[name].user or "") for name in self.order]
        if self.tool is not None and self.tool.user is not None:
            found.append(_step(TOOL, self.tool, self.tool.user).model_copy(update={"answer": self.tool.answer}))
        return found


def _step(name: str, who: Speaker | Simulated, user: str) -> Step:
    sent = who.model_dump(include=set(Parameters.model_fields) & who.model_fields_set)
    return Step(name=name, user=user, system=who.system, model=who.model, **sent)
