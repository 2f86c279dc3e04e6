"""Finds answers that say which model wrote them, who made it, or until when it knows.

Only the assistant's own voice counts: speech in quotation marks, the line of a character, a cited line and code do
not. Where the prompt asks who speaks, names the same maker, or is about machines, the words are `asked` for, and so is
an answer about ChatGPT as a topic. What says no more than that a machine speaks (`As an AI, I ...`) is `nature`: a
robot that tells its story says so too, so that it is flagged.
"""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from ..views import MARKS, lowered, one_of, vocabulary
from . import Decision, Measured, Options, Rule, kind_and_words
from ._answers import NONE, AnswerRule, Exchange, quoting
from ._phrases import phrases
from ._voice import another_voice

PHRASES = Path(__file__).with_name("identity.phrases")
MOST = 20
"""So many places of a kind are looked at."""
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
    "cut", "revision", "feelings", "emotions", "opinions", "beliefs", "experiences", "consciousness",
    "real", "alexa", "siri", "bing", "alpaca", "falcon", "pi", "nova", "phi", "sydney", "cortana",
    "google", "meta", "microsoft", "amazon", "apple", "hugging", "inflection", "perplexity", "stability", "reka",
))
"""Or one of these, with `I` or `my`."""
_HAN = ("作为", "我是", "我的")
_GATES = {
    "name": ("assistant", "chatbot", "chat bot", "language model", "program", "machine learning", "artificial int",
             "by google", "by meta", "by micro", "by amazon", "by apple"),
    "cutoff": ("cutoff", "cut-off", "cut off", "my last", "my latest", "my most", "my knowledge", "my training",
               "my data", "my information", " data ", "wissensstand", "ma derni", "ma base", "mi última",
               "mi fecha", "我的"),
    "nature": ("language model", " ai ", " ai,", " ai.", " ai!", " ai-", "chatbot", "chat bot", "artificial int", "llm",
               "assistant", "program", "machine learning", "training data", "real-time", "real time",
               "have personal", "have feelings", "like human", "like a human",
               "sprachmodell", "als ki", "tant qu", "como ", "作为"),
}
"""And one of these, of each kind."""
_BEINGS = ("language model", "chatbot", "chat bot", "artificial intelligence", "llm", "virtual assistant",
           "digital assistant", "computer program", "software program", "machine learning model")
_AI = re.compile(r"ai(?!\w)")
_MAKING = tuple(f"{made} {after} " for after in ("by", "and") for made in (
    "developed", "created", "trained", "built", "made", "designed", "provided", "powered", "programmed"))
_NAMES = (
    "gpt", "openai", "open ai", "deepseek", "qwen", "tongyi", "ernie bot", "chatglm", "glm-", "kimi", "mixtral",
    "vicuna", "huggingchat", "openassistant", "open assistant", "bing chat", "google bard", "microsoft copilot",
    "github copilot", "command r", "nemotron", "stablelm", "internlm", "baichuan", "doubao", "hunyuan", "minimax",
    "starling-lm", "wizardlm", "openhermes", "anthropic", "deepmind", "deep mind", "mistral ai", "moonshot ai",
    "zhipu", "cohere", "ai21", "stabilityai", "stability ai", "x.ai", "xai", "meta ai", "google ai", "microsoft ai",
    "tencent ai", "salesforce ai", "amazon ai", "google research", "allen institute", "lmsys", "huggingface",
    "hugging face", "eleuther", "inflection", "perplexity", "databricks", "together ai", "nous research", "laion",
    "01.ai", "reka ai", "technology innovation", " by google", " by meta", " by microsoft", " by amazon", " by apple",
    " by alibaba", " by baidu", " by tencent", " by nvidia", " by ibm", "作为", "我是")
_CALLED = re.compile(
    r"(?:i am|i['’]m|i was|my name is|i['’]m called)(?: [a-z]+)? (?:claude|gemini|grok|bard|llama|copilot|mistral|pi"
    r"|alexa|siri|bing|alpaca|falcon|zephyr|dolly|koala|nova|phi|yi|jamba|palm|lamda|sydney|cortana)\b")
_CUTOFFS = ("cutoff", "cut-off", "cut off", "my last ", "my latest ", "my most recent ", "my knowledge", "my training",
            "trained", "updated", "wissensstand", "ma derni", "ma base", "mi última", "mi fecha", "我的")
_FEELINGS = ("feelings", "emotions", "opinions", "beliefs", "experiences", "consciousness")
_NATURES = (
    *_FEELINGS, "language model", "my training data", "real-time", "real time", "sprachmodell", "als ki", "als ein ki",
    "als eine ki", "als großes ki", "als ein großes ki", "als eine großes ki", "en tant qu", "como ", "作为")
_WORDS = {
    "cutoff": frozenset(("knowledge", "training", "data", "information", "update", "revision", "trained", "updated",
                         "wissensstand", "ma", "mi", "我")),
    "nature": frozenset(("language", "ai", "chatbot", "chat", "artificial", "llm", "assistant", "program", "machine",
                         "real", "training", "sprachmodell", "als", "tant", "como", "作")),
}
"""Words of which one stands in what the phrases of a kind find, feelings apart."""
_ODD = re.compile(f"[İıſ\u212a{MARKS}]")
"""Letters that a pattern takes for i, s and k, and `lower` does not; and accents that are signs of their own."""
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
        places = [(kind, found) for kind in _possible(text)
                  for found in islice(phrases(PHRASES)[kind].finditer(text), MOST)
                  if not another_voice(text, found.start())]
        if not places:
            return NONE
        prompt = exchange.asked
        if not phrases(PHRASES)["who"].search(prompt):
            for kind, found in places:
                if not _wanted(kind, found[0], prompt):
                    return quoting(kind, text, found.span())
        return quoting("asked", text, places[0][1].span())

    def decide(self, measured: Measured) -> Decision:
        """What the options say of its kind."""
        kind, told = kind_and_words(measured)
        if kind == "none":
            return Decision("keep")
        if kind == "asked":
            return Decision(self.bounds.asked, f'speaks of itself, as asked: "{told}"')
        return Decision(self.bounds.nature if kind == "nature" else self.bounds.act, f'{REASONS[kind]}: "{told}"')


def _possible(text: str) -> list[str]:
    """The kinds of which a text has words without which no phrase of theirs is found."""
    told = vocabulary(text)
    sure = not _SURE_HINTS.isdisjoint(told) or (not text.isascii() and any(each in text for each in _HAN))
    if not sure and not (("i" in told or "my" in told) and not _HINTS.isdisjoint(told)):
        return []
    low = lowered(text)
    plain = low.isascii() or not _ODD.search(low)
    kinds = [kind for kind, gate in _GATES.items() if not (plain and _is_far(kind, told, low))
             and ((kind == "name" and sure) or one_of(gate, low))]
    return [kind for kind in kinds if not plain or may_say(kind, low)]


def _is_far(kind: str, told: frozenset[str], low: str) -> bool:
    """Whether no word stands there without which no phrase of a kind is found."""
    return kind in _WORDS and _WORDS[kind].isdisjoint(told) and not (kind == "nature" and one_of(_FEELINGS, low))


def may_say(kind: str, low: str) -> bool:
    """Whether a text in lower case holds cues without which no phrase of a kind is found: phrases take long to find."""
    if kind == "cutoff":
        return one_of(_CUTOFFS, low)
    being = one_of(_BEINGS, low) or _AI.search(low) is not None
    if kind == "nature":
        return being or one_of(_NATURES, low)
    made = being and one_of(_MAKING, low)
    return made or one_of(_NAMES, low) or _CALLED.search(low) is not None


def _wanted(kind: str, told: str, prompt: str) -> bool:
    """Whether a prompt that does not ask who speaks asks for such words."""
    table = phrases(PHRASES)
    if kind == "nature":
        return table["machines"].search(prompt) is not None
    named = [each[0].lower() for group in ("lab", "model", "also a name")
             for each in re.finditer(rf"\b{table[group].pattern}\b", told, re.IGNORECASE)]
    low = prompt.lower()
    cutoff = kind == "cutoff" and "cutoff" in low.replace("-", "").replace(" ", "")
    return cutoff or any(name in low for name in named)


plugin: type[Rule[Measure, Bounds]] = Identity
