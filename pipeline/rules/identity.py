"""Finds answers that say which model wrote them, who made it, or until when it knows.

Only the assistant's own voice counts: speech in quotation marks, the line of a character, a cited line and code do
not. Where the prompt asks who speaks, names the same maker, or is about machines, the words are `asked` for, and so is
an answer about ChatGPT as a topic. What says no more than that a machine speaks (`As an AI, I ...`) is `nature`: a
robot that tells its story says so too, so that it is flagged.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from . import Decision, Measured, Options, Rule
from ._answers import NONE, AnswerRule, Exchange, kind_and_words, quoting
from ._phrases import phrases
from ._voice import another_voice

PHRASES = Path(__file__).with_name("identity.phrases")
_HINTS = (
    " ai ", " ai,", " ai.", " ai-", " ai!", "language model", "chatbot", "chat bot", "assistant", "artificial intell", "llm",
    "software program", "ai program", "computer program", "training data", "cutoff", "cut-off", "cut off", "of my last", "of my latest",
    "of my most", "my knowledge", "my training", "real-time", "real time", "machine learning", "like human", "like a human",
    "openai", "open ai", "gpt", "claude", "anthropic", "gemini", "grok", "bard", "llama", "copilot", "mistral", "mixtral", "qwen",
    "deepseek", "deep mind", "deepmind", "moonshot", "kimi", "ernie", "glm", "cohere", "ai21", "bing", "databricks", "eleuther",
    "hugging", "by google", "by meta", "by microsoft", "by amazon", "by apple", "by alibaba", "by baidu", "by tencent", "my creator", "my developer", "my maker", "my designer",
)
"""One of these stands in whatever the English phrases find."""
_FOREIGN = (
    "sprachmodell", "als ki", "als eine ki", "wissensstand", "ich bin", "en tant qu", "je suis", "ma base de", "ma derni",
    "modelo de l", "como ia", "como una ia", "como uma ia", "mi última", "mi fecha", "soy ", "sono ", "sou ", "作为",
    "我是", "我的",
)
REASONS = {"name": "says who it is", "cutoff": "says until when it knows", "nature": "says what it is"}


class Measure(Options):
    """Nothing to set: the phrases are the rule's version."""


class Bounds(Options):
    """What becomes of a row whose answer speaks of its writer."""

    act: Literal["drop", "flag"] = Field("drop", description="for a name or a maker, and for the end of knowledge")
    nature: Literal["flag", "drop", "keep"] = Field("flag", description="for `As an AI, I ...` and the like")
    asked: Literal["keep", "flag", "drop"] = Field("keep", description="for either, where the prompt asks for it")


class Identity(AnswerRule[Measure, Bounds]):
    """Says `name: WORDS`, `cutoff: WORDS`, `nature: WORDS`, `asked: WORDS` or `none`."""

    kinds: ClassVar[tuple[str, ...]] = ("name", "cutoff", "nature", "asked", "none")

    def look(self, exchange: Exchange) -> Measured | None:
        """The first words of the worst kind, with their span."""
        text = exchange.answer
        low = text.lower()
        if not any(hint in low for hint in _HINTS) and not any(hint in low for hint in _FOREIGN):
            return NONE
        asked = NONE
        for kind in ("name", "cutoff", "nature"):
            for found in phrases(PHRASES)[kind].finditer(text):
                if another_voice(text, found.start()):
                    continue
                if not _wanted(kind, found[0], exchange.asked):
                    return quoting(kind, text, found.span())
                if asked is NONE:
                    asked = quoting("asked", text, found.span())
        return asked

    def decide(self, measured: Measured) -> Decision:
        """What the options say of its kind."""
        kind, words = kind_and_words(measured)
        if kind == "none":
            return Decision("keep")
        if kind == "asked":
            return Decision(self.bounds.asked, f'speaks of itself, as asked: "{words}"')
        return Decision(self.bounds.nature if kind == "nature" else self.bounds.act, f'{REASONS[kind]}: "{words}"')


def _wanted(kind: str, words: str, prompt: str) -> bool:
    """Whether a prompt asks for such words."""
    table = phrases(PHRASES)
    if table["who"].search(prompt):
        return True
    if kind == "nature":
        return table["machines"].search(prompt) is not None
    named = [each[0].lower() for group in ("lab", "model", "also a name")
             for each in re.finditer(rf"\b{table[group].pattern}\b", words, re.IGNORECASE)]
    low = prompt.lower()
    return any(name in low for name in named) or (kind == "cutoff" and "cutoff" in low.replace("-", "").replace(" ", ""))


plugin: type[Rule[Measure, Bounds]] = Identity
