"""Finds control tokens of model families in what a row says: once tokenised they are no text.

The tokens are those of render/control_tokens.json. Some are words of HTML, of forums or of thoughts as well (`<s>`,
`[IMG]`, `<think>`): these are `maybe`. Prompts are looked at too: a token in them breaks the rendered text as surely,
and no format of that family writes such a row.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..render import families, places
from ..types import Sample, text_of
from . import Decision, Measured, OptionFault, Options, RowRule, Rule, kind_and_words

ALSO_TEXT = frozenset((
    "<s>", "</s>", "<unk>", "<pad>", "[IMG]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]", "[TOOL_CALLS]", "<think>", "</think>",
    "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<|image|>", "<|audio|>", "<|video|>",
))
"""Tokens that a text may hold with another meaning: HTML's struck words, BBCode, XML. Chosen by us."""
_SHOWN = 5


class Measure(Options):
    """Whose tokens."""

    families: list[str] = Field(default_factory=list, description="as llama2, gemma; all that are known where empty")


class Bounds(Options):
    """What becomes of a row with control tokens."""

    act: Literal["drop", "flag"] = Field("drop", description="for tokens that mean nothing else")
    maybe: Literal["flag", "drop", "keep"] = Field("flag", description="for those that HTML and forums have as well")


class ControlTokens(RowRule[Measure, Bounds]):
    """Says `sure: TOKENS`, `maybe: TOKENS` or `none`, the tokens in order of appearance."""

    def check(self) -> None:
        """Families that are known."""
        for name in self.how.families:
            if name not in families():
                raise OptionFault(f"unknown family '{name}'", f"known: {', '.join(families())}")

    def measure(self, sample: Sample) -> Measured | None:
        """The tokens of all messages; the span is that of the first one in the answer."""
        found: dict[str, None] = {}
        names = tuple(self.how.families)
        for message in sample.messages:
            found.update((token, None) for token, _ in places(text_of(message.get("content")), names))
        if not found:
            return Measured("none") if sample.messages else None
        sure = [token for token in found if token not in ALSO_TEXT]
        told = sure or list(found)
        span = next((span for token, span in places(sample.answer, names) if token in told), None)
        more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
        return Measured(f"{'sure' if sure else 'maybe'}: {' '.join(told[:_SHOWN])}{more}", span)

    def decide(self, measured: Measured) -> Decision:
        """As the options say."""
        kind, words = kind_and_words(measured)
        if kind == "none":
            return Decision("keep")
        if kind == "maybe":
            return Decision(self.bounds.maybe, f"a control token of some models, and a word of others: {words}")
        return Decision(self.bounds.act, f"control tokens in a text: {words}")


plugin: type[Rule[Measure, Bounds]] = ControlTokens
