"""What the loopback server answers: stories that follow from the body's bytes, and every fault by name."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import orjson

WHO = """A retired cartographer|The youngest of five brothers|A night-shift nurse|An apprentice glassblower|A
 disgraced judge|The lighthouse keeper|A travelling tuner of pianos|Two estranged cousins|A census taker|The town's
 only locksmith|A botanist without a garden|An interpreter who lies|A cook on a cargo ship|The widow of a chess
 master|A collector of unsent letters|A failed magician|The harbour pilot|A boy who counts trains|An archivist of
 weather|A beekeeper from the hills|A boxer turned baker|The mayor's quiet secretary|An orphaned surveyor|A teacher
 of dead languages|A smuggler of seeds|The last projectionist|A clerk with perfect memory|A diver afraid of water|An
 auctioneer in debt|A puppeteer's daughter|The bell ringer|A translator of maps"""
DOES = """discovers|buries|steals back|refuses to sell|rebuilds by hand|misplaces|inherits|burns|forges|hides inside
 the chapel|carries over the mountains|wins at cards|confesses to|photographs|trades away|restores|guards through
 the winter|deciphers|publishes|drowns in the canal|returns too late|dismantles|swears on|counterfeits|loses to a
 stranger|unearths|sketches from memory|repairs in secret|betrays|ransoms|smuggles past the border|bets everything
 on"""
WHAT = """a ledger with one page missing|the bishop's silver compass|a map drawn by a child|an unplayed violin|the
 deed to the mill|a box of foreign stamps|a letter in two handwritings|the founder's false teeth|a clock that runs
 backwards|the only copy of a census|a coat lined with banknotes|the choir's broken organ|a telegram nobody sent|a
 jar of black seeds|the portrait of a rival|an empty birdcage|a key without a lock|the recipe for blue glaze|a debt
 of honour|a sealed court record|the wreck's brass bell|a suitcase of wigs|an heirloom carpet|a dictionary of
 curses|the ferryman's oar|a gramophone record|the last bottle of ink|a borrowed uniform|an unsigned treaty|the
 stationmaster's whistle|a model of the city|the prisoner's chess set"""
WHERE = """under the flooded quay|in a village without a name|behind the opera house|on the night ferry|at the edge
 of the salt flats|in the attic of the school|during the strike|between two funerals|in a room above the bakery|on
 the old frontier|at the observatory|inside the abandoned mine|along the pilgrim road|in the governor's garden|below
 the aqueduct|at a wedding of strangers|in the courthouse cellar|on the frozen lake|among the vineyards|at the
 customs house|in the projection booth|near the quarry|in a rented carriage|at the spring fair|by the collapsed
 bridge|in the monastery library|outside the besieged city|on the roof of the mill|at the end of the tramline|in the
 quarantine ward|beside the dry fountain|in a hotel without guests"""
THEN = """and nobody believes it|which costs a friendship|before the verdict is read|and the river takes the rest|so
 the family divides|while the city looks away|and an old promise is kept|only to find it was a copy|as the first
 snow falls|and the price doubles overnight|until the police arrive|but the witness has vanished|and the truth is
 worse|in exchange for silence|and forgiveness follows slowly|because the will was forged|and the crowd falls
 quiet|just as the war ends|so that the child may leave|though no one asked|and the debt is finally paid|without
 ever saying why|and two names are struck out|which starts the whole thing again|as the audience laughs|and the ring
 is returned|for the price of a ticket|and the bells answer|while the ship departs|and the door stays open|but the
 signature is real|so they begin again elsewhere"""


def _words(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.replace("\n ", " ").split("|")]


PARTS = [_words(text) for text in (WHO, DOES, WHAT, WHERE, THEN)]


def story(seed: bytes) -> str:
    """A text of 3 to 18 sentences, always the same for the same 32 bytes."""
    number = int.from_bytes(seed, "big")
    number, extra = divmod(number, 16)
    lines = []
    for _ in range(3 + extra):
        picks = []
        for part in PARTS:
            number, index = divmod(number, len(part))
            picks.append(part[index])
        if not number:  # 252 bits hold ten sentences; the rest go on from a stride that the first bits chose
            number = int.from_bytes(seed[::-1], "big") * (2 * len(lines) + 3)
        who, does, what, where, then = picks
        lines.append(f"{who} {does} {what} {where}, {then}.")
    return " ".join(lines)


class Reply(NamedTuple):
    """What is put on the wire.

    Attributes:
        close: None, `after` (close when sent), `reset` (RST after the bytes), `hang` (never answer).
        paid: True where a host would charge for it.
        cut: bytes of the whole response that are left out at the end.
    """

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    close: str | None = None
    paid: bool = False
    cut: int = 0


def error(status: int, message: str, kind: str, code: str | None, *headers: tuple[str, str]) -> Reply:
    """An error as the OpenAI API words it."""
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return Reply(status, orjson.dumps(body), headers)


def tokens(text: str) -> int:
    """A rough count: four bytes make a token."""
    return max(1, len(text.encode("utf-8", "replace")) // 4)


def completion(request: dict[str, Any], seed: bytes, *, answer: str | None = None) -> dict[str, Any]:
    """The chat completion for a body; `max_tokens` and `max_completion_tokens` are kept to."""
    text = story(seed) if answer is None else answer
    called = CALLS.fullmatch(text)
    if called:
        return _calling(request, seed, called[1], called[2])
    limit = request.get("max_completion_tokens") or request.get("max_tokens")
    reason = "stop"
    if limit is not None and tokens(text) > limit:
        text, reason = text.encode()[: limit * 4].decode("utf-8", "ignore"), "length"
    asked = sum(4 + tokens(str(message.get("content") or "")) for message in request["messages"])
    said = tokens(text)
    return {
        "id": f"chatcmpl-{seed[:12].hex()}",
        "object": "chat.completion",
        "created": 1764000000,
        "model": request.get("model"),
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text, "refusal": None},
                     "logprobs": None, "finish_reason": reason}],
        "usage": {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said,
                  "prompt_tokens_details": {"cached_tokens": 0},
                  "completion_tokens_details": {"reasoning_tokens": 0}},
    }


CALLS = re.compile(r"call:([A-Za-z0-9_-]+) (\{.*)", re.S)
"""An answer that is a call of a tool: `call:look_up {"order": 7}`."""


def _calling(request: dict[str, Any], seed: bytes, name: str, arguments: str) -> dict[str, Any]:
    """A completion that calls a tool, with or without a tool of that name: models do that, too."""
    value = completion(request, seed, answer="-")
    made = {"id": f"call_{seed[:9].hex()}", "type": "function", "function": {"name": name, "arguments": arguments}}
    value["choices"][0] |= {"finish_reason": "tool_calls", "message": {
        "role": "assistant", "content": None, "refusal": None, "annotations": [], "tool_calls": [made]}}
    value["usage"]["completion_tokens"] = tokens(arguments)
    return value


def tool_fault(request: dict[str, Any]) -> str | None:
    """What OpenAI's chat API refuses about tools, in its words; None where nothing is wrong."""
    tools = request.get("tools")
    if tools is not None:
        if not isinstance(tools, list) or not tools:
            return "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array."
        for place, tool in enumerate(tools):
            function = tool.get("function") if isinstance(tool, dict) else None
            if not (isinstance(function, dict) and tool.get("type") == "function"):
                return f"Invalid 'tools[{place}]': expected an object of type 'function'."
            if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", str(function.get("name"))):
                return f"Invalid 'tools[{place}].function.name': string does not match pattern."
    open_ids: list[str] = []
    for place, message in enumerate(request["messages"]):
        if message.get("role") == "tool":
            if message.get("tool_call_id") not in open_ids:
                return ("Invalid parameter: messages with role 'tool' must be a response to a preceding message with "
                        "'tool_calls'.")
            open_ids.remove(message["tool_call_id"])
            continue
        if open_ids:
            return ("An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                    f"'tool_call_id'. The following tool_call_ids did not have response messages: {open_ids}")
        calls = message.get("tool_calls") or []
        if message.get("content") is None and not (message.get("role") == "assistant" and calls):
            return f"Invalid value for 'content' of messages[{place}]: expected a string, got null."
        if any(not isinstance(call.get("function", {}).get("arguments"), str) for call in calls):
            return f"Invalid type for 'messages[{place}].tool_calls': arguments are a string."
        open_ids = [call.get("id") for call in calls]
    return f"tool_call_ids did not have response messages: {open_ids}" if open_ids else None


MARKER = re.compile(r"\[\[fault:([a-z0-9_]+)(?:\*(\d+))?\]\]")
"""`[[fault:reset*2]]` in a prompt: the first two tries meet a reset, the third is answered. No number: always."""

ERRORS: dict[str, Reply] = {
    "rate_limit": error(429, "Rate limit reached for requests. Please try again in 1s.", "requests",
                        "rate_limit_exceeded", ("retry-after", "1")),
    "rate_limit_ms": error(429, "Rate limit reached for tokens. Please try again in 150ms.", "tokens",
                           "rate_limit_exceeded", ("retry-after-ms", "150"), ("retry-after", "1")),
    "rate_limit_bare": error(429, "Rate limit reached.", "requests", "rate_limit_exceeded"),
    "slow_down": error(429, "You are ramping up too fast.", "rate_limit_error", "slow_down", ("retry-after", "2")),
    "quota": error(429, "You exceeded your current quota, please check your plan and billing details.",
                   "insufficient_quota", "credit_balance_exhausted", ("retry-after", "1")),
    "auth": error(401, "Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    "forbidden": error(403, "Country, region, or territory not supported.", "request_forbidden",
                       "unsupported_country_region_territory"),
    "model": error(404, "The model `nothing` does not exist or you do not have access to it.",
                   "invalid_request_error", "model_not_found"),
    "context": error(400, "This model's maximum context length is 8192 tokens. However, your messages resulted in "
                     "9000 tokens.", "invalid_request_error", "context_length_exceeded"),
    "content_filter": error(400, "The response was filtered due to the prompt triggering a content policy.",
                            "invalid_request_error", "content_filter"),
    "parameter": error(400, "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                       "'max_completion_tokens' instead.", "invalid_request_error", "unsupported_parameter"),
    "server_500": error(500, "The server had an error while processing your request.", "server_error", None),
    "server_500_final": error(500, "The server had an error; do not retry.", "server_error", None,
                              ("x-should-retry", "false")),
    "overloaded": error(503, "That model is currently overloaded.", "server_error", "server_is_overloaded",
                        ("retry-after", "1")),
    "bad_gateway": Reply(502, b"<html><head><title>502 Bad Gateway</title></head></html>",
                         (("content-type", "text/html"),)),
    "reset": Reply(0, b"", close="reset"),
    "hang": Reply(0, b"", close="hang"),
    "closed": Reply(0, b"", close="after"),
}
"""Faults that do not depend on what was asked."""

ANSWERED = frozenset(
    {"reset_mid", "truncated", "malformed", "html", "array", "empty_choices", "no_message", "length", "refusal",
     "null_content", "empty", "filtered", "tool_calls", "parts", "zero_bytes", "wrong_language"}
)
"""Faults that come in the place of an answer: the host has worked, so they are paid for."""

FAULTS = (*ERRORS, *sorted(ANSWERED))


def faulty(kind: str, request: dict[str, Any], seed: bytes) -> Reply:
    """The reply for a fault by its name."""
    if kind in ERRORS:
        return ERRORS[kind]
    value = completion(request, seed)
    choice = value["choices"][0]
    message = choice["message"]
    if kind == "malformed":
        return Reply(200, orjson.dumps(value)[:-40] + b'"oops', paid=True)
    if kind == "html":
        return Reply(200, b"<!doctype html><p>Please sign in to this network.</p>", (("content-type", "text/html"),))
    if kind == "zero_bytes":
        return Reply(200, b"", paid=True)
    if kind == "array":
        return Reply(200, b"[1, 2, 3]", paid=True)
    if kind == "empty_choices":
        value["choices"] = []
    elif kind == "no_message":
        value["choices"] = [{"index": 0, "finish_reason": "stop"}]
    elif kind == "length":
        message["content"], choice["finish_reason"] = message["content"][: len(message["content"]) // 2], "length"
    elif kind == "refusal":
        message["content"], message["refusal"] = None, "I'm sorry, but I can't help with that request."
    elif kind == "null_content":
        message["content"] = None
    elif kind == "empty":
        message["content"] = ""
    elif kind == "wrong_language":
        message["content"] = "Ein Leuchtturmwärter findet einen Brief, und niemand glaubt ihm. " * 8
    elif kind == "filtered":
        message["content"], choice["finish_reason"] = "", "content_filter"
    elif kind == "tool_calls":
        choice["finish_reason"] = "tool_calls"
        message["content"] = None
        message["tool_calls"] = [{"id": "call_1", "type": "function",
                                  "function": {"name": "look_up", "arguments": '{"city": "Turin"}'}}]
    elif kind == "parts":
        message["reasoning_content"] = "First, think."
        value["usage"]["prompt_tokens_details"]["cached_tokens"] = 7
        value["usage"]["completion_tokens_details"]["reasoning_tokens"] = 5
    body = orjson.dumps(value)
    if kind == "reset_mid":
        return Reply(200, body, close="reset", paid=True, cut=len(body) // 2)
    if kind == "truncated":
        return Reply(200, body, close="after", paid=True, cut=len(body) // 2)
    return Reply(200, body, paid=True)
