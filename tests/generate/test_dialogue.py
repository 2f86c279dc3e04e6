"""Dialogues: two roles by turns, tools that one of them calls, each turn a call that is cached and paid by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine import Answer
from pipeline.errors import RecipeError, YieldError
from pipeline.generate import doubts
from pipeline.generate.tools import Turn, as_text
from pipeline.json_schema import broken
from pipeline.json_text import Unread
from pipeline.recipe import parse_recipe
from pipeline.store import Dataset
from pipeline.types import Call, CallRequest, Failure, Usage
from tests.engine.scripted import Said, answer, no
from tests.generate.folder import Folder

TOOL = {"type": "function", "function": {"name": "look_up", "description": "An order.", "parameters": {
    "type": "object", "properties": {"order": {"type": "string", "pattern": "^A-"}}, "required": ["order"],
    "additionalProperties": False}}}
RECIPE = """\
synth: 1
name: tales
seed: 3
axes:
  mood: [calm, cross]
  item: [kettle, lamp, rug]
dialogue:
  roles:
    customer: {system: "CUSTOMER, {{mood}}, of a {{item}}.", user: "Begin.", ends: "[END]"}
    agent: {system: "AGENT."}
  turns: 4
train: {role: agent, system: "You help with a {{item}}."}
generate: {model: "scripted:m", max_tokens: 100, floor: 0}
"""
CALLING = RECIPE.replace('agent: {system: "AGENT."}', 'agent: {system: "AGENT.", tools: tools.json}').replace(
    "  turns: 4\n", """  turns: 4
  tool: {says: '{"order": {{call.arguments.order | tojson}}, "item": {{item | tojson}}}'}
""")


def calls(arguments: Any, name: str = "look_up", named: str | None = "c1", text: str | None = None) -> Answer:
    """A turn that calls a tool."""
    told = arguments if isinstance(arguments, str) else json.dumps(arguments)
    one: dict[str, Any] = {"type": "function", "function": {"name": name, "arguments": told}}
    one = one if named is None else {"id": named, **one}
    return Answer({"role": "assistant", "content": text, "tool_calls": [one]}, "tool_calls", Usage(10, 5), "m-1")


class Talk(Folder):
    """A folder whose model knows who it is; `bodies` are all that was sent, in order."""

    def __init__(self, path: Path, recipe: str = RECIPE) -> None:
        super().__init__(path, recipe)
        (path / "tools.json").write_text(json.dumps([TOOL]))
        self.bodies: list[dict[str, Any]] = []
        self.customer: Callable[[list[dict[str, Any]]], Said | str] = lambda seen: f"ask {len(seen)}"
        self.agent: Callable[[list[dict[str, Any]]], Said | str] = lambda seen: f"help {len(seen)}"
        self.tool: Callable[[list[dict[str, Any]]], Said | str] = lambda seen: '{"found": true}'

    def _script(self, asked: CallRequest, turn: int) -> Said:
        self.bodies.append(asked.body)
        seen = asked.body["messages"]
        head = str(seen[0]["content"])
        said = (self.customer if head.startswith("CUSTOMER") else self.agent if head.startswith("AGENT")
                else self.tool)(seen)
        self.prompts[head.split(",")[0].split(".")[0]] += 1
        return answer(said) if isinstance(said, str) else said


@pytest.fixture
def talk(tmp_path: Path) -> Talk:
    return Talk(tmp_path)


@pytest.fixture
def calling(tmp_path: Path) -> Talk:
    folder = Talk(tmp_path, CALLING)

    def agent(seen: list[dict[str, Any]]) -> Said | str:
        if len(seen) == 2:
            return calls({"order": "A-1"})
        return f"it is {seen[-1]['content']}" if seen[-1]["role"] == "tool" else "goodbye"

    folder.agent = agent
    return folder


def test_each_sees_the_other_as_the_user(talk: Talk) -> None:
    talk.run()
    row = next(row for row in talk.rows() if row.cell == {"mood": "calm", "item": "rug"})
    assert row.messages == [
        {"role": "system", "content": "You help with a rug."},
        {"role": "user", "content": "ask 2"}, {"role": "assistant", "content": "help 2"},
        {"role": "user", "content": "ask 4"}, {"role": "assistant", "content": "help 4"}]
    assert [ref.role for ref in row.calls] == ["turn:1", "turn:2", "turn:3", "turn:4"]
    third = next(body["messages"] for body in talk.bodies
                 if body["messages"][0]["content"] == "CUSTOMER, calm, of a rug." and len(body["messages"]) == 4)
    assert third == [
        {"role": "system", "content": "CUSTOMER, calm, of a rug."}, {"role": "user", "content": "Begin."},
        {"role": "assistant", "content": "ask 2"}, {"role": "user", "content": "help 2"}]
    assert all(set(body) == {"model", "messages", "max_tokens"} for body in talk.bodies), "no default is filled in"
    assert row.provenance["turns"] == row.provenance["turns_wanted"] == 4
    assert row.tools is None


def test_equal_questions_are_asked_once_and_a_second_run_asks_nothing(talk: Talk) -> None:
    assert talk.asked() == 6 + 1 + 6 + 1, "what the agent is asked knows no cell: all ask and hear the same"
    assert len(talk.rows()) == 6
    assert talk.asked() == 0
    assert talk.plan().new_calls == 0


def test_a_longer_dialogue_asks_its_new_turns_alone(talk: Talk) -> None:
    talk.agent = lambda seen: f"help with {seen[-1]['content']}"
    talk.customer = lambda seen: f"{seen[0]['content']} {len(seen)}"
    assert talk.asked() == 24
    talk.edit("turns: 4", "turns: 6")
    assert talk.plan().new_calls == 12
    assert talk.asked() == 12
    assert {row.provenance["turns"] for row in talk.standing()} == {6}
    talk.edit("turns: 6", "turns: {min: 2, max: 6}")
    assert talk.asked() == 0, "shorter ones are there already"
    assert len({row.provenance["turns"] for row in talk.standing()}) > 1


def test_a_turn_that_fails_is_asked_again_alone(talk: Talk) -> None:
    says = talk.agent
    talk.agent = lambda seen: no("content_filter") if len(seen) == 4 else says(seen)
    with pytest.raises(YieldError):
        talk.run()
    assert {line["failure"]["kind"] for line in talk.failures()} == {"content_filter"}
    talk.agent = says
    assert talk.asked(retry=("content_filter",)) == 1
    assert len(talk.rows()) == 6


def test_a_tool_is_called_and_answered(calling: Talk) -> None:
    calling.run()
    row = next(row for row in calling.rows() if row.cell["item"] == "lamp")
    asked = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"order": "A-1"}'}}
    found = '{"order": "A-1", "item": "lamp"}'
    assert row.messages[2:5] == [
        {"role": "assistant", "content": None, "tool_calls": [asked]},
        {"role": "tool", "tool_call_id": "c1", "content": found},
        {"role": "assistant", "content": f"it is {found}"}]
    assert row.tools == [TOOL]
    assert [ref.role for ref in row.calls] == ["turn:1", "turn:2", "turn:2", "turn:3", "turn:4"]
    of_agent = [body for body in calling.bodies if body["messages"][0]["content"] == "AGENT."]
    assert all(body["tools"] == [TOOL] for body in of_agent)
    assert all("tools" not in body for body in calling.bodies if body not in of_agent)
    heard = [m["content"] for body in calling.bodies for m in body["messages"] if m["role"] == "user"]
    assert f"it is {found}" in heard, "the customer hears the words"
    assert not any("tool_calls" in m for body in calling.bodies if body not in of_agent for m in body["messages"])


def test_a_model_in_the_tools_place_is_asked_once_for_equal_calls(calling: Talk) -> None:
    text = CALLING[:CALLING.index("  tool:")] + """\
  tool:
    system: "TOOL."
    user: "{{call.name}} of {{call.arguments}}: {{call.arguments.order}}"
    answer: {schema: {type: object, properties: {found: {type: boolean}}, required: [found]}}
""" + CALLING[CALLING.index("train:"):]
    calling.write(text)
    calling.run()
    assert calling.prompts["TOOL"] == 1, "one order, one answer, whoever asks"
    row = calling.rows()[0]
    assert [ref.role for ref in row.calls] == ["turn:1", "turn:2", "tool:2", "turn:2", "turn:3", "turn:4"]
    assert row.messages[3]["content"] == '{"found": true}'
    (body,) = [body for body in calling.bodies if body["messages"][0]["content"] == "TOOL."]
    assert body["messages"][1]["content"] == 'look_up of {"order": "A-1"}: A-1'


@pytest.mark.parametrize(("bad", "why"), [
    (calls('{"order": "A-'), "not JSON"),
    (calls({"order": 7}), "string is wanted"),
    (calls({"order": "B-1"}), "does not match"),
    (calls({"order": "A-1", "when": "now"}), "is not among order"),
    (calls([1]), "no JSON object"),
    (calls({}), "'order' is missing"),
    (calls({"order": "A-1"}, name="look"), "no tool 'look', only look_up"),
    (answer('<tool_call>{"name": "look_up"}</tool_call>'), "stands in its text"),
], ids=["cut", "type", "pattern", "more", "list", "missing", "unknown", "leaked"])
def test_a_bad_call_gets_one_repair_then_fails_with_its_text(calling: Talk, bad: Answer, why: str) -> None:
    calling.edit("mood: [calm, cross]", "mood: [calm]", "item: [kettle, lamp, rug]", "item: [kettle]")
    good = calling.agent
    calling.agent = lambda seen: bad if len(seen) == 2 else good(seen[:2]) if "cannot be used" in str(
        seen[-1]["content"]) else good(seen)
    calling.run()
    (row,) = calling.rows()
    assert [ref.role for ref in row.calls] == ["turn:1", "turn:2", "repair", "turn:2", "turn:3", "turn:4"]
    repair = next(body["messages"] for body in calling.bodies if "cannot be used" in body["messages"][-1]["content"])
    assert why in repair[-1]["content"]
    assert [m["role"] for m in repair] == ["system", "user", "assistant", "user"], "any host takes it"
    assert "tool_calls" not in repair[2]
    assert "cannot be used" not in json.dumps(row.messages), "the repair is no part of the row"


def test_a_bad_call_that_stays_bad_is_a_failure_of_class_parse(calling: Talk) -> None:
    calling.agent = lambda seen: calls({"order": 7})
    with pytest.raises(YieldError):
        calling.run()
    lines = calling.failures()
    assert len(lines) == 6
    assert lines[0]["failure"]["kind"] == "parse"
    assert lines[0]["failure"]["raw"] == 'look_up({"order": 7})'
    assert "string is wanted" in lines[0]["failure"]["message"]
    asked = calling.prompts["AGENT"]
    calling.agent = lambda seen: "no order, no look-up"
    assert calling.asked(retry=("parse",)) > 0
    assert len(calling.rows()) == 6
    assert calling.prompts["AGENT"] > asked


def test_calls_without_an_end_are_bounded(calling: Talk) -> None:
    calling.edit("  turns: 4", "  calls: 3\n  turns: 4")
    calling.agent = lambda seen: calls({"order": f"A-{len(seen)}"})
    with pytest.raises(YieldError):
        calling.run()
    most = max(sum(m["role"] == "tool" for m in body["messages"]) for body in calling.bodies)
    assert most == 3
    assert {line["failure"]["kind"] for line in calling.failures()} == {"parse"}
    assert "once more than a turn may" in calling.failures()[0]["failure"]["message"]


def test_the_answer_to_that_repair_may_be_in_words(calling: Talk) -> None:
    calling.edit("  turns: 4", "  calls: 1\n  turns: 4")
    calling.agent = lambda seen: "in words" if "cannot be used" in str(seen[-1]["content"]) else calls({"order": "A-1"})
    calling.run()
    assert len(calling.rows()) == 6
    assert calling.rows()[0].messages[-1]["content"] == "in words"


def test_a_host_that_names_no_calls_gets_names_made_up(calling: Talk) -> None:
    def both(seen: list[dict[str, Any]]) -> Said | str:
        if len(seen) > 2:
            return "done"
        one = calls({"order": "A-1"}, named=None).message["tool_calls"][0]
        return Answer({"role": "assistant", "content": "A moment.", "tool_calls": [one, {**one, "id": ""}]},
                      "tool_calls", Usage(1, 1), "m-1")

    calling.agent = both
    calling.run()
    row = calling.rows()[0]
    ids = [each["id"] for each in row.messages[2]["tool_calls"]]
    assert len(set(ids)) == 2
    assert all(ids)
    assert [m["tool_call_id"] for m in row.messages[3:5]] == ids
    assert any(m["content"] == "A moment.\n\ndone" for body in calling.bodies for m in body["messages"])


def test_a_word_ends_the_conversation(talk: Talk) -> None:
    talk.customer = lambda seen: "Thanks, bye! [END] (leaves)" if len(seen) == 4 else "ask"
    talk.edit("turns: 4", "turns: 8")
    talk.run()
    row = talk.rows()[0]
    assert [m["content"] for m in row.messages[1:]] == ["ask", "help 2", "Thanks, bye!", "help 4"]
    assert (row.provenance["turns"], row.provenance["turns_wanted"]) == (4, 8)
    assert "[END]" not in json.dumps(row.messages)


@pytest.mark.parametrize("said", ["", "  \n", "[END]"])
def test_an_empty_turn_ends_it_before_itself(talk: Talk, said: str) -> None:
    talk.customer = lambda seen: said if len(seen) == 4 else "ask"
    talk.run()
    row = talk.rows()[0]
    assert [m["role"] for m in row.messages] == ["system", "user", "assistant"]
    assert [ref.role for ref in row.calls] == ["turn:1", "turn:2", "turn:3"]
    assert row.provenance["turns"] == 2


def test_nobody_says_anything(talk: Talk) -> None:
    talk.customer = lambda seen: ""
    with pytest.raises(YieldError):
        talk.run()
    assert talk.prompts == {"CUSTOMER": 12}, "a repair each, and nobody else is asked"
    assert {line["failure"]["kind"] for line in talk.failures()} == {"parse"}
    talk.customer = lambda seen: "now"
    assert talk.asked(retry=()) == 12 + 2
    assert len(talk.rows()) == 6


def cut(text: str) -> Answer:
    return Answer({"role": "assistant", "content": text}, "length", Usage(10, 100), "m-1")


def test_a_cut_turn_ends_it_and_marks_the_row(talk: Talk) -> None:
    talk.edit("turns: 4", "turns: 6")
    talk.agent = lambda seen: cut("help and") if len(seen) == 4 else "help"
    talk.run()
    row = talk.rows()[0]
    assert row.provenance["finish_reason"] == "length"
    assert row.messages[-1]["content"] == "help and"
    assert len(row.calls) == 4, "what follows it is not paid for"


def test_a_first_turn_that_was_cut_leaves_nothing_to_train_on(talk: Talk) -> None:
    talk.customer = lambda seen: cut("as")
    with pytest.raises(YieldError):
        talk.run()
    assert {line["failure"]["kind"] for line in talk.failures()} == {"length"}
    assert talk.prompts == {"CUSTOMER": 6}


def test_rows_are_rebuilt_from_their_calls_and_rendered_anew(calling: Talk) -> None:
    calling.run()
    before = [row.messages for row in calling.rows()]
    calling.file.unlink()
    assert calling.asked() == 0
    assert sorted(map(json.dumps, before)) == sorted(json.dumps(row.messages) for row in calling.rows())
    calling.edit('system: "You help with a {{item}}."', 'system: "Help: {{item}}.", turns: last')
    assert calling.asked() == 0
    for row in calling.rows():
        assert row.messages[0]["content"] == f"Help: {row.cell['item']}."
        weights = [m.get("weight", 1) for m in row.messages if m["role"] == "assistant"]
        assert weights == [0, 0, 1]
        assert row.tools == [TOOL]
    calling.edit("turns: last", "turns: [2]")
    assert calling.asked() == 0
    assert [m.get("weight", 1) for m in calling.rows()[0].messages if m["role"] == "assistant"] == [1, 1, 0]


def test_the_other_side_can_be_trained(talk: Talk) -> None:
    talk.edit("{role: agent, system:", "{role: customer, system:", "turns: 4", "turns: 3")
    talk.run()
    roles = [m["role"] for m in talk.rows()[0].messages]
    assert roles == ["system", "assistant", "user", "assistant"]
    assert "Begin." not in json.dumps(talk.rows()[0].messages)


def test_the_bill_knows_that_each_turn_holds_those_before_it(talk: Talk) -> None:
    plan = talk.plan()
    assert plan.new_calls == 24
    assert [step.calls for step in plan.forecast.steps] == [12, 12]
    customer, agent = plan.forecast.steps
    growing = customer.input_tokens.high - customer.input_tokens.low
    assert growing >= 6 * 2 * 100 * 0.75, "turn 3 holds two answers of up to 100 tokens"
    assert agent.input_tokens.high >= 6 * (1 + 3) * 100 * 0.9, "turn 2 holds one, turn 4 three"
    talk.agent = lambda seen: "x" * 300
    talk.customer = lambda seen: f"{seen[0]['content']} {len(seen)} {'y' * 300}"
    talk.provider.script = _full(talk.provider.script)
    talk.run()
    assert plan.usd_worst is not None
    assert talk.spent() <= plan.usd_worst


def _full(script: Any) -> Any:
    """Every answer is as long as it may be, and every prompt counts as the bytes that it has."""
    def say(asked: CallRequest, turn: int) -> Said:
        said = script(asked, turn)
        assert not isinstance(said, Failure)
        size = sum(len(str(m.get("content"))) for m in asked.body["messages"])
        return said._replace(usage=Usage(size // 4, 100))
    return say


def test_the_bill_of_a_tool_counts_one_call_and_bounds_the_others(calling: Talk) -> None:
    plan = calling.plan()
    assert plan.new_calls == 6 * 5
    assert plan.repairs > 0
    calling.run()
    assert calling.plan().new_calls == 0
    with_tools = plan.usd_worst
    calling.write(RECIPE)
    assert with_tools is not None
    assert calling.plan().usd_worst is not None
    assert with_tools > 2 * (calling.plan().usd_worst or 0)


@pytest.mark.parametrize(("old", "new", "said"), [
    ("turns: 4", "turns: 3", "a dialogue of 3 never ends in a turn of 'agent', .* turns: 4"),
    ("turns: 4", "turns: 0", "1 or more is wanted here, not 0"),
    ("turns: 4", "turns: -2", "1 or more is wanted here, not -2"),
    ('agent: {system: "AGENT."}', 'agent: {system: "AGENT.", user: "Go."}', "both roles would begin"),
    (', user: "Begin."', "", "no role would begin"),
    ("role: agent", "role: agents", "'agents' is no role of the dialogue: role: customer or agent"),
    ("{role: agent, system", "{system", "name `user`"),
    ('agent: {system: "AGENT."}', 'agent: {system: "AGENT.", tools: tools.json}', "nobody answers them"),
    ("turns: 4", "turns: 4\n  tool: {says: x}", "would answer nobody"),
    ("turns: 4", "turns: 4\n  tool: {says: x, user: y}", "answered by `says`"),
    ("role: agent,", "role: agent, turns: [1],", "turns of 'agent' are 2, 4"),
    ("train: {", "prompt: hello\ntrain: {", "in the place of `prompt`"),
    ("role: agent,", "role: agent, user: x,", "`user` would change nothing"),
    ("agent: {", "tool: {", "'tool' cannot be a role"),
])
def test_what_cannot_be_meant_is_said_with_its_line(old: str, new: str, said: str) -> None:
    assert old in RECIPE
    with pytest.raises(RecipeError, match=said) as caught:
        parse_recipe(RECIPE.replace(old, new), Path("talk.yaml"))
    assert "talk.yaml:" in caught.value.message


@pytest.mark.parametrize(("tools", "said"), [
    ("[]", "one or more"), ("{", "not JSON"), ('[{"type": "function"}]', "tool 1 has no function"),
    ('[{"type": "function", "function": {"name": "a b"}}]', "tool 1 has no function"),
    (json.dumps([TOOL, TOOL]), "two tools of one name"),
    ('[{"type": "function", "function": {"name": "a", "parameters": {"type": "date"}}}]', '"date" is none of'),
])
def test_tools_that_are_none(calling: Talk, tools: str, said: str) -> None:
    (calling.path / "tools.json").write_text(tools)
    with pytest.raises(RecipeError, match=said):
        calling.run()


def test_a_tools_file_that_is_not_there_is_told_with_its_line(calling: Talk) -> None:
    (calling.path / "tools.json").rename(calling.path / "tool.json")
    with pytest.raises(RecipeError, match=r"tales\.yaml:10: no file .*/tools\.json") as caught:
        calling.run()
    assert "did you mean 'tool.json'?" in caught.value.hint


def test_what_nobody_is_told_is_doubted(calling: Talk) -> None:
    bare = {"type": "function", "function": {**TOOL["function"], "description": ""}}
    (calling.path / "tools.json").write_text(json.dumps([bare]))
    calling.edit('agent: {system: "AGENT.", tools', "agent: {tools")
    with Dataset.create(calling.home) as dataset:
        told = doubts(calling.recipe, dataset, calling.writer)
    assert [each.partition(": ")[2] for each in told] == [
        "look_up has no description: the model does not know what it is for",
        "'agent' has no `system`: it is told nothing of who it is",
    ]


def test_templates_know_the_call_in_the_tools_place_alone(calling: Talk) -> None:
    calling.edit("You help with a {{item}}", "You help with {{call.name}} of {{customer}}")
    with pytest.raises(RecipeError) as caught:
        calling.run()
    assert "'call' in train.system is not known" in caught.value.message
    assert "'customer' in train.system is not known" in caught.value.message


def test_another_model_is_asked_for_what_failed(calling: Talk) -> None:
    good = calling.agent
    calling.agent = lambda seen: calls({"order": 7})
    with pytest.raises(YieldError):
        calling.run()
    calling.agent = good
    bigger = calling.writer._replace(model="big")
    calling.run(retry=("parse",), by=bigger)
    assert len(calling.rows()) == 6
    row = calling.rows()[0]
    by = [next(body["model"] for body in calling.bodies[::-1] if len(body["messages"]) == size) for size in (2, 4)]
    assert "big" in by
    assert row.messages[-1]["content"] == "goodbye"
    assert calling.asked() == 0, "and nothing is asked again after that"


def test_rows_of_a_file_talk_as_well(talk: Talk) -> None:
    (talk.path / "cases.csv").write_text("item,mood\nkettle,calm\nlamp,cross\n")
    axes = RECIPE[RECIPE.index("axes:"):RECIPE.index("dialogue:")]
    talk.write(RECIPE.replace(axes, "source: {file: cases.csv}\n"))
    talk.run()
    assert {row.messages[0]["content"] for row in talk.rows()} == {"You help with a kettle.", "You help with a lamp."}
    assert {row.fields["mood"] for row in talk.rows()} == {"calm", "cross"}
    assert talk.asked() == 0


PARAMETERS = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}, "word": {"type": "string"}},
              "required": ["n"]}
_json = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                     lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                         st.sampled_from(["n", "word", "id", "function", "name", "arguments"]), inner, max_size=3))
_told = st.one_of(st.text(max_size=20), _json, st.builds(lambda n: json.dumps({"n": n}), st.integers()))
_raw = st.one_of(_json, st.fixed_dictionaries({"id": st.one_of(st.none(), st.text(max_size=3)), "function": (
    st.fixed_dictionaries({"name": st.sampled_from(["f", "g", ""]), "arguments": _told}))}))


@given(st.one_of(_json, st.lists(_raw, max_size=3)), st.one_of(st.none(), st.text(max_size=20)), st.integers(0, 3))
def test_whatever_a_host_sends_is_a_turn_or_unread(raw: Any, text: str | None, left: int) -> None:
    reader = Turn([{"type": "function", "function": {"name": "f", "parameters": PARAMETERS}}], left, lambda said: said)
    message = {"role": "assistant", "content": text, "tool_calls": raw}
    call = Call("x", "n", {}, 0, message, "stop", None, None, 0, 0, 1, "")
    assert isinstance(as_text(call), str)
    try:
        said = reader.hear(call, None)
    except Unread:
        return
    assert len(said.value) <= left
    assert len({each.id for each in said.value}) == len(said.value)
    for each in said.value:
        assert json.loads(each.text) == each.arguments
        assert broken(each.arguments, PARAMETERS) is None
