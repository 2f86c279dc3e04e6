"""One corrupted file of 60 lines with every fault of a file and of a row: each found at its line, and none too many."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from pipeline.export.check import check_file
from pipeline.types import Problem

ASK, ANSWER = {"role": "user", "content": "What is a plum?"}, {"role": "assistant", "content": "A fruit with a stone."}
CALL = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"word": "plum"}'}}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/plum.png"}}


def row(*messages: Any, **beside: Any) -> bytes:
    return json.dumps({"messages": list(messages), **beside}, ensure_ascii=False).encode()


def good(number: int) -> bytes:
    return row({"role": "user", "content": f"What is a plum, question {number}?"}, ANSWER)


def answer(**more: Any) -> dict[str, Any]:
    return {**ANSWER, **more}


def call(**more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": [{**CALL, **more}]}


LINES: list[tuple[bytes, list[str]]] = [
    # the file: 1 to 21
    (b"\xef\xbb\xbf" + good(1), ["bom"]),
    (good(2) + b"\r", ["crlf"]),
    (b"", ["blank-line"]),
    (b" \t ", ["blank-line"]),
    (good(5)[:-20], ["json"]),
    (b"plain text, no JSON", ["json"]),
    (b"[" + good(7) + b"]", ["not-an-object"]),
    (b'"a text"', ["not-an-object"]),
    (b"null", ["not-an-object"]),
    (good(10)[:-1] + b', "messages": []}', ["duplicate-key", "no-messages"]),
    (b'{"messages": [{"role": "user", "role": "assistant", "content": "both"}]}', ["duplicate-key", "no-user"]),
    (b'{"messages": [{"role": "user", "content": "a", "cont\\u0065nt": "b"}, ' + json.dumps(ANSWER).encode() + b"]}",
     ["duplicate-key"]),
    (b'{"messages": [], "n": NaN}', ["not-a-number"]),
    (b'{"messages": [], "n": 1e999}', ["not-a-number"]),
    (b'{"messages": "\xe9t\xe9"}', ["encoding"]),
    (b'{"messages": [{"role": "user", "content": "\\ud83d"}]}', ["lone-surrogate"]),
    (b'{"messages": ' + b"[" * 230 + b"]" * 230 + b"}", ["too-deep"]),
    (b'{"n": 12345678901234567890123, "messages": [' + json.dumps(ASK).encode() + b", " + json.dumps(ANSWER).encode()
     + b"]}", ["big-number"]),
    (row(ASK, answer(content="a\0b")), ["nul"]),
    (json.dumps({"prompt": "p", "completion": "c"}).encode(), ["mixed-shapes"]),
    (json.dumps({"mesages": [ASK, ANSWER]}).encode(), ["unknown-shape"]),
    # roles and order: 22 to 31
    (row(), ["no-messages"]),
    (row("hello", ASK, ANSWER), ["message-not-an-object"]),
    (row({"role": "human", "content": "Q"}, {"role": "gpt", "content": "A"}),
     ["unknown-role", "unknown-role", "no-user", "no-answer"]),
    (row({"content": "Q"}, ASK, ANSWER), ["unknown-role"]),
    (row(ANSWER), ["no-user"]),
    (row(ASK), ["no-answer"]),
    (row(ASK, ANSWER, ASK), ["last-turn-not-assistant"]),
    (row({"role": "system", "content": "Be brief."}, ANSWER), ["no-user"]),
    (row(ASK, {"role": "system", "content": "Be brief."}, ANSWER), ["late-system"]),
    (row({"role": "developer", "content": "Be brief."}, ASK, ANSWER), []),
    # contents: 32 to 41
    (row(ASK, answer(content="")), ["empty-answer"]),
    (row(ASK, answer(content=" \n\u3000")), ["empty-answer"]),
    (row(ASK, answer(content="\u200b\ufeff")), ["empty-answer"]),
    (row(ASK, {"role": "assistant"}), ["empty-answer"]),
    (row({"role": "user", "content": " "}, ANSWER), ["empty-message"]),
    (row({"role": "user"}, ANSWER), ["no-content"]),
    (row({"role": "user", "content": 7}, ANSWER), ["bad-content"]),
    (row(ASK, answer(content="a plum<|fim_suffix|> and <|endoftext|>")), ["special-token", "special-token"]),
    (row({**ASK, "name": "ann lee"}, ANSWER), ["bad-name"]),
    (row(ASK, answer(reasoning="hm")), ["unknown-key"]),
    # weights: 42 to 45
    (row(ASK, answer(weight=0)), ["nothing-trained"]),
    (row(ASK, answer(weight=0.5)), ["bad-weight"]),
    (row({**ASK, "weight": 1}, ANSWER), ["weight-not-on-answer"]),
    (row(ASK, answer(weight=0), ASK, answer(weight=1)), []),
    # tools: 46 to 53
    (row(ASK, call(), {"role": "tool", "tool_call_id": "c1", "content": "x"}, ANSWER, tools=[TOOL]), []),
    (row(ASK, call(), ASK, ANSWER), ["tool-call-unanswered"]),
    (row(ASK, {"role": "tool", "tool_call_id": "c9", "content": "x"}, ANSWER), ["unknown-tool-call-id"]),
    (row(ASK, call(function={"name": "look_up", "arguments": "{"})), ["bad-arguments"]),
    (row(ASK, call(function={"name": "look_up", "arguments": {}})), ["bad-arguments"]),
    (row(ASK, call(id=None)), ["bad-tool-call"]),
    (row(ASK, {**call(), "tool_calls": [CALL, CALL]}), ["duplicate-tool-call-id"]),
    (row(ASK, call(function={"name": "look up", "arguments": "{}"}), tools=[{"name": "f"}]), ["bad-name", "bad-tools"]),
    # images, and what is said of how a row was made: 54 to 59
    (row({"role": "user", "content": [{"type": "text", "text": "What is it?"}, IMAGE]}, ANSWER), []),
    (row({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "plum.png"}}]}, ANSWER), ["bad-part"]),
    (row(ASK, answer(content=[IMAGE])), ["image-in-answer", "empty-answer"]),
    (row({"role": "user", "content": [IMAGE] * 11}, ANSWER), ["too-many-images"]),
    (row(ASK, ANSWER, finish_reason="length"), ["cut-answer"]),
    (row(ASK, answer(content=[{"type": "text", "text": "\n"}])), ["empty-answer"]),
    (good(60), ["no-final-newline"]),
]


def test_each_fault_of_sixty_lines(tmp_path: Path) -> None:
    assert len(LINES) == 60
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"\n".join(line for line, _ in LINES))
    found: list[Problem] = []
    (done,) = check_file(path, found.append, target="openai", groups="AB")
    wanted = [(number, code) for number, (_, codes) in enumerate(LINES, 1) for code in codes]
    assert [(int(p.where.rpartition(":")[2]), p.code) for p in found] == wanted
    assert done.codes == Counter(code for _, code in wanted)
    assert done.errors + done.warnings + done.notes == len(wanted)
    assert all(problem.message and problem.fix for problem in found if problem.severity == "error")


def test_the_other_groups_break_on_none_of_it(tmp_path: Path) -> None:
    """Rows over rows, tokens, and rendering: whatever a row is, every line is still looked at."""
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"\n".join(line for line, _ in LINES))
    alone: list[Problem] = []
    check_file(path, alone.append, target="openai", groups="AB")
    for target in ("gpt-4.1-mini", "llama2", "gemma", "openai-dpo", "alpaca"):
        found: list[Problem] = []
        check_file(path, found.append, target=target, validation=path)
        missing = Counter((p.code, p.where) for p in alone) - Counter((p.code, p.where) for p in found)
        assert not missing, target


def test_a_file_of_one_shape_keeps_it_whatever_its_first_row_is(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    odd = json.dumps({"prompt": "p", "completion": "c"}).encode()
    path.write_bytes(b"\n".join([odd, *(good(i) for i in range(15))]) + b"\n")
    found: list[Problem] = []
    (done,) = check_file(path, found.append, groups="AB")
    assert (done.format, [(p.code, p.where) for p in found]) == ("openai-chat", [("mixed-shapes", f"{path}:1")])
