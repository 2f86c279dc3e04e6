"""The questions of a dialogue against OpenAI's own description of a chat request, by its JSON schema.

Prism, which the tests of files and jobs use, answers 200 to any body of this endpoint (5.14.2; also to `tools: none`),
so that it would prove nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from pipeline.types import Message
from tests.generate.test_dialogue import CALLING, Talk, calls

Held = Any


@pytest.fixture(scope="module")
def described(shared_data: Path) -> Held:
    """What holds a body to the description."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    whole = yaml.load((shared_data / "openai" / "openapi.yaml").read_bytes(), loader)
    asked = {"$ref": "#/components/schemas/CreateChatCompletionRequest", "components": whole["components"]}
    return jsonschema.Draft202012Validator(asked)


@pytest.fixture
def bodies(tmp_path: Path) -> list[dict[str, Any]]:
    """What a whole run sends: turns, calls, their results, and the repair of a call."""
    talk = Talk(tmp_path, CALLING)

    def agent(seen: list[Message]) -> Any:
        if "cannot be used" in str(seen[-1]["content"]):
            return calls({"order": "A-1"})
        return calls({"order": 1}) if len(seen) == 2 else f"it is {seen[-1]['content']}"

    talk.agent = agent
    talk.run()
    return talk.bodies


def wrong(bodies: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The same with one thing that does not conform."""
    first = bodies[0]
    yield {**first, "tools": "none"}
    yield {**first, "tools": [{"type": "function"}]}
    yield {**first, "messages": [*first["messages"], {"role": "tool", "content": "{}"}]}
    asked = {"id": "c", "type": "function", "function": {"name": "look_up", "arguments": {}}}
    yield {**first, "messages": [*first["messages"], {"role": "assistant", "content": None, "tool_calls": [asked]}]}


def test_every_question_of_a_dialogue_conforms(described: Held, bodies: list[dict[str, Any]]) -> None:
    shapes = {(tuple(m["role"] for m in body["messages"]), "tools" in body): body for body in bodies}
    assert len(shapes) == 6
    for body in shapes.values():
        assert [error.message[:200] for error in described.iter_errors(body)] == []
    for body in wrong(bodies):
        assert not described.is_valid(body), body
