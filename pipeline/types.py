"""The words of the project: draws, calls, samples, findings, verdicts, examples, problems.

Plain frozen dataclasses; what comes from a person's hand (a recipe, synth.toml) is pydantic and
lives in `recipe.py` and `settings.py`. docs/architecture.md holds the table of these words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from .digest import digest

Scalar = str | int | float | bool | None
Cell = dict[str, Any]
"""One combination: axis name -> value. Values are JSON scalars."""
Message = dict[str, Any]
"""An OpenAI chat message, as it is: role, content, and whatever else it carries."""
SYSTEM_ROLES = ("system", "developer")
"""Who tells a model how to behave: one role by its two names."""

FailureClass = Literal[
    "rate_limit", "quota", "auth", "refused", "content_filter", "length", "parse", "timeout", "connection",
    "server", "bad_request",
]
THINKS, THOUGHT = "<think>", "</think>"
"""How models that think aloud mark it (DeepSeek R1, Qwen3, QwQ), where the host does not take it out of the answer."""
THOUGHT_KEYS = ("reasoning_content", "reasoning", "thinking")
"""Keys of a message in which hosts give the thoughts by themselves: DeepSeek and vLLM, OpenRouter, Ollama."""
Outcome = Literal["keep", "drop", "flag", "not_applicable", "unmeasured", "error"]
State = Literal["kept", "dropped"]
Severity = Literal["error", "warning", "note"]


def text_of(content: Any) -> str:
    """The text of a message's content: itself, or its text parts joined by a line break."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))


def thoughts_apart(text: str) -> tuple[str | None, str]:
    """The thoughts that a text begins with, and what follows them.

    Only a `<think>` block at the very head counts: one in the middle is what the answer talks about. Thoughts that do
    not end were cut, and nothing follows them. None where the text begins with no such block.
    """
    head = text.lstrip()
    if not head.startswith(THINKS):
        return None, text
    thoughts, _, answer = head[len(THINKS):].partition(THOUGHT)
    return thoughts.strip(), answer.lstrip()


@dataclass(frozen=True, slots=True)
class Draw:
    """One line of the plan: a cell, and which of its repeats.

    `source` points at the row of a source file that the draw was made from, if any (see Sample).
    """

    cell: Cell
    repeat: int = 0
    fields: dict[str, Any] = field(default_factory=dict)
    source: dict[str, Any] | None = None
    _key: str = field(default="", init=False, repr=False, compare=False)

    @property
    def key(self) -> str:
        """Digest of cell, repeat and source row: the draw's name, never a position."""
        if not self._key:
            row = self.source["row"] if self.source else None
            object.__setattr__(self, "_key", digest("draw", self.cell, self.repeat, row))
        return self._key


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a host says it counted."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A question that is about to be asked.

    Attributes:
        id: see `digest.call_id`.
        namespace: name of the provider entry.
        body: exactly what is sent.
        repeat: which of several answers to the same body.
        hints: what the rehearsal provider may know beside the body (the cell); never sent.
    """

    id: str
    namespace: str
    body: dict[str, Any]
    repeat: int = 0
    kind: str = "chat"
    hints: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call gave no answer that can be used.

    Attributes:
        kind: one of FailureClass.
        message: what the host said, keys redacted.
        status: the HTTP status, if there was one.
        code: the host's own code, as `context_length_exceeded`.
        raw: the answer as it came, cut at 64 KiB.
        retry_after: seconds that the host asked to wait.
        billed: True where the host may have charged for it although nothing usable came.
    """

    kind: FailureClass
    message: str
    status: int | None = None
    code: str | None = None
    raw: str | None = None
    retry_after: float | None = None
    billed: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One question to one model, and its outcome. Never edited; samples share it.

    Attributes:
        message: the whole assistant message as it came (content, tool_calls, refusal, reasoning).
        model: the model that says it answered.
        cost_usd: None where no price is known. 0.0 for a rehearsal.
        attempts: how many times it was sent.
        at: UTC, ISO 8601, when the outcome came.
        rehearsal: True for the answers of the rehearsal provider, for ever.
        copied_from: name of the dataset that paid for it, where that is not this one.
        apart: whether the thoughts that the content begins with are no part of the answer. Calls of earlier versions
            lack it: their answers stay as they were, and so do the ids of what was asked after them.
    """

    id: str
    namespace: str
    body: dict[str, Any]
    repeat: int
    message: Message | None
    finish_reason: str | None
    usage: Usage | None
    model: str | None
    latency_s: float
    cost_usd: float | None
    attempts: int
    at: str
    failure: Failure | None = None
    rehearsal: bool = False
    copied_from: str | None = None
    apart: bool = False

    @property
    def text(self) -> str:
        """The answer's text without thoughts; empty where the message holds none, or was cut while it thought."""
        text = text_of((self.message or {}).get("content"))
        return thoughts_apart(text)[1] if self.apart else text

    @property
    def reasoning(self) -> str:
        """What the model thought before it answered, as far as the host shows it; empty where it does not."""
        message = self.message or {}
        for key in THOUGHT_KEYS:
            if thoughts := text_of(message.get(key)):
                return thoughts
        content = message.get("content")
        if isinstance(content, list):  # Mistral's parts of type `thinking`
            parts = (text_of(part.get("thinking")) for part in content if isinstance(part, dict))
            return "\n".join(part for part in parts if part)
        return thoughts_apart(text_of(content))[0] or "" if self.apart else ""

    @property
    def ended(self) -> str | None:
        """The finish reason; `length` where the thoughts have no end, whatever the host says."""
        cut = self.apart and THOUGHT not in text_of((self.message or {}).get("content"))
        return "length" if cut else self.finish_reason


class CallRef(NamedTuple):
    """A call as a sample names it: role is step:NAME, turn:N, tool:N, repair, chosen, rejected, judge."""

    id: str
    role: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One row that a person can keep or drop.

    Attributes:
        id: digest of its calls' ids and cell; or of source bytes and their ordinal among equals; or
            of parent, augmentation and calls. Never a position.
        cell: axis name -> value; empty for imported rows.
        fields: columns of the source row, outputs of earlier steps, parsed JSON.
        messages: the conversation to be trained on; `weight` 0 or 1 on assistant turns.
        rejected: for preference pairs, the answer that lost.
        calls: the calls that made it.
        parent: id of the sample it was rewritten from.
        source: where an imported row came from: {file, digest, row, start, end} in bytes.
        provenance: how it was made: writer, model, finish_reason, usage, cost_usd, rehearsal,
            repeat, augmentation, created.
    """

    id: str
    messages: list[Message]
    cell: Cell = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    rejected: list[Message] | None = None
    label: str | None = None
    tools: list[dict[str, Any]] | None = None
    calls: tuple[CallRef, ...] = ()
    parent: str | None = None
    source: dict[str, Any] | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Digest of messages, rejected and fields: what was measured and reviewed."""
        return digest("sample", self.messages, self.rejected, self.fields)

    def last(self, role: str) -> Message | None:
        """The last message of a role."""
        for message in reversed(self.messages):
            if message.get("role") == role:
                return message
        return None

    @property
    def answer(self) -> str:
        """The text of the last assistant turn; empty where there is none."""
        return text_of((self.last("assistant") or {}).get("content"))

    @property
    def prompt(self) -> str:
        """The text of the last user turn; empty where there is none."""
        return text_of((self.last("user") or {}).get("content"))

    @property
    def rehearsal(self) -> bool:
        """True where any part of it came from the rehearsal provider."""
        return bool(self.provenance.get("rehearsal"))

    def example(self) -> Example:
        """What a Format sees of it."""
        return Example(
            messages=self.messages, rejected=self.rejected, label=self.label, tools=self.tools,
            fields={**self.cell, **self.fields}, sample=self.id,
        )

    def with_messages(self, messages: list[Message]) -> Sample:
        """The same sample with other messages."""
        return replace(self, messages=messages)


@dataclass(frozen=True, slots=True)
class Finding:
    """One measurement of one sample by one rule.

    Attributes:
        rule: the plug-in's printed name.
        value: what was measured: a number, a text or None.
        outcome: see Outcome.
        reason: a few words for the person who reads it, as `812 bytes < 1024`.
        span: [start, end) in characters of the answer, where there is one.
        key: digest of rule, version and measure options: equal keys mean equal measurements.
        calls: ids of the calls that a paid rule made.
        cluster: id of the rows that are alike, this one among them.
    """

    rule: str
    value: Any
    outcome: Outcome
    reason: str = ""
    span: tuple[int, int] | None = None
    key: str = ""
    calls: tuple[str, ...] = ()
    cluster: str = ""


class Pair(NamedTuple):
    """Two rows that are alike, by their ids, and the Jaccard of what was compared.

    `right` may be a text elsewhere: `eval.jsonl:12`.
    """

    left: str
    right: str
    jaccard: float


class Pairs(NamedTuple):
    """What a rule measured between rows.

    Attributes:
        floor: the least Jaccard of what is here.
        links: a spanning forest of the pairs, the strongest first: those from a threshold on connect what is alike.
        foreign: of each row that is like a text elsewhere, that row and the nearest such text.
    """

    floor: float
    links: tuple[Pair, ...]
    foreign: tuple[Pair, ...] = ()


class Cluster(NamedTuple):
    """Rows that are connected by pairs.

    Attributes:
        id: of its members, whatever their order and whatever threshold made them one.
        rows: how many.
        kept: the row that stands for them; empty where none stands.
        weakest: the pair that holds it together: from just above its Jaccard on, these are two clusters.
    """

    id: str
    rows: int
    kept: str
    weakest: Pair


@dataclass(frozen=True, slots=True)
class Verdict:
    """A sample's findings, all of them, and the state that follows."""

    sample: str
    digest: str
    state: State
    findings: tuple[Finding, ...]

    @property
    def flags(self) -> list[str]:
        """The rules that flagged a row that is kept, or raised on it."""
        spoke = (found.rule for found in self.findings if found.outcome in ("flag", "error"))
        return list(spoke) if self.state == "kept" else []


@dataclass(frozen=True, slots=True)
class Example:
    """What a Format sees. Text formats render from fields, chat formats from messages."""

    messages: list[Message]
    rejected: list[Message] | None = None
    label: str | None = None
    tools: list[dict[str, Any]] | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    sample: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a row or a file, and its cure.

    Attributes:
        code: stable, kebab-case, as `empty-answer`.
        where: `file.jsonl:12`, or a sample's id.
        fix: what to do about it; a command where there is one.
    """

    severity: Severity
    code: str
    where: str
    message: str
    fix: str = ""
