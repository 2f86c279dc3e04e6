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

from ..views import words
from . import Decision, Measured, Options, Rule
from ._answers import NONE, AnswerRule, Exchange, kind_and_words, quoting
from ._phrases import phrases
from ._voice import another_voice

PHRASES = Path(__file__).with_name("identity.phrases")
_SURE_HINTS = frozenset((
    "ai", "openai", "anthropic", "deepmind", "deepseek", "chatgpt", "gpt", "claude", "gemini", "grok", "bard",
    "llama", "copilot", "mistral", "mixtral", "qwen", "tongyi", "ernie", "chatglm", "glm", "kimi", "moonshot",
    "cohere", "ai21", "xai", "databricks", "laion", "lmsys", "eleutherai", "baichuan", "minimax", "vicuna",
    "hunyuan", "doubao", "nemotron", "chatbot", "llm", "cutoff", "huggingface", "sprachmodell", "ki",
    "wissensstand", "ia", "langage", "lenguaje", "linguagem", "corte", "jour",
))
"""One of these words stands in what the phrases find."""
_HINTS = frozenset((
    "assistant", "model", "program", "bot", "intelligence", "data", "update", "training", "trained", "knowledge",
    "cut", "revision", "alexa", "siri", "bing", "alpaca", "falcon", "pi", "nova", "phi", "sydney", "cortana",
    "google", "meta", "microsoft", "amazon", "apple", "hugging", "inflection", "perplexity", "stability", "reka",
))
"""Or one of these, with `I` or `my`."""
_PAIRS = ("real-time", "real time", "like human", "like a human")
_HAN = ("作为", "我是", "我的")
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
        if not _may_speak(text):
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
        kind, told = kind_and_words(measured)
        if kind == "none":
            return Decision("keep")
        if kind == "asked":
            return Decision(self.bounds.asked, f'speaks of itself, as asked: "{told}"')
        return Decision(self.bounds.nature if kind == "nature" else self.bounds.act, f'{REASONS[kind]}: "{told}"')


def _may_speak(text: str) -> bool:
    """Whether a text has words without which no phrase is found."""
    told = words(text)
    if not _SURE_HINTS.isdisjoint(told):
        return True
    if not text.isascii() and any(each in text for each in _HAN):
        return True
    if "i" not in told and "my" not in told:
        return False
    return not _HINTS.isdisjoint(told) or any(each in text for each in _PAIRS)


def _wanted(kind: str, told: str, prompt: str) -> bool:
    """Whether a prompt asks for such words."""
    table = phrases(PHRASES)
    if table["who"].search(prompt):
        return True
    if kind == "nature":
        return table["machines"].search(prompt) is not None
    named = [each[0].lower() for group in ("lab", "model", "also a name")
             for each in re.finditer(rf"\b{table[group].pattern}\b", told, re.IGNORECASE)]
    low = prompt.lower()
    cutoff = kind == "cutoff" and "cutoff" in low.replace("-", "").replace(" ", "")
    return cutoff or any(name in low for name in named)


plugin: type[Rule[Measure, Bounds]] = Identity
