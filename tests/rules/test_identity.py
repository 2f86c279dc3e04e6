"""The rule `identity`: the assistant's own voice, and every other voice that says the same."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.rules import identity
from pipeline.types import Sample
from tests.rules.rows import judged, row

NAMES = [
    "Hi! I am an Assistant, a large language model trained by OpenAI. I will do my best to help.",
    "As an AI developed by OpenAI, I can help.", "I'm ChatGPT, a large language model trained by OpenAI.",
    "I am Claude, an AI assistant made by Anthropic.", "I was trained by Google to help.", "My name is ChatGPT.",
    "According to OpenAI's use case policy, this is no topic.", "I was developed by a team at OpenAI.",
    "Well.\n\nNote: I’m GPT-4, so I may be wrong.",
    "我是由OpenAI开发的。", "Ich bin ein von OpenAI trainiertes Sprachmodell.",
]
CUTOFFS = [
    # found in public repositories, where people kept what models told them
    "Given that .NET 9.0 is not yet released as of my knowledge cutoff in October 2023, I will use .NET 6.0.",
    "We deal with a hypothetical version (.NET 9.0 does not exist as of my last update), so I'll use .NET 6.",
    "As of my last update in September 2021, Realme had various smartphone models with different features.",
    "My knowledge cutoff is September 2021.", "As of my last update in January 2022, the price was 5.",
    "As of my last knowledge update, no.", "My training data only goes up to 2023.",
    "Since my knowledge cut-off, much changed.",
]
NATURES = [
    "I apologize, but as an AI language model, I cannot directly compile and run code. However, I can guide you.",
    "As an AI language model, I don't have personal opinions, but soup is good.",
    "I'm just an AI, so I cannot taste it.", "Sure! As an AI, I think that soup is nice.",
    "I don't have feelings like humans do.",
    "作为一个AI语言模型，我不能。", "En tant que modèle de langage, je ne mange pas.",
]
OTHERS = [
    "Never say `As an AI trained by OpenAI, ...`. Just say that you cannot.", "No \"As an AI language model...\" ever.",
    "> Leaked: 'As an AI language model', and citation markup.", "SYSTEM: I am ChatGPT, made by OpenAI.",
    "ChatGPT was developed by OpenAI and launched in 2022.", "Claude Monet was born in Paris. I am Claude, a baker.",
    "\"I'm ChatGPT,\" said the box.", "“As an AI developed by OpenAI, I obey,” it said.",
    "Robot: I'm an AI, and I love rain.", "> As an AI language model, I cannot.", "He typed `I'm ChatGPT` and left.",
    "I'm Gemini, born in June.", "I was trained by Microsoft as an engineer.",
    "As an AI engineer in Lagos, Tunde cannot sleep.", "Since my last update to the board, we grew.",
    "OpenAI's API has three methods.", "I'm a bot fly, and I bite.", "I'm Pi, and this is my boat.",
    "My training for the marathon was cut off by rain.", "I am Mistral, the wind of the south.",
]


@pytest.mark.parametrize(("kind", "text"), [
    *(("name", text) for text in NAMES), *(("cutoff", text) for text in CUTOFFS),
    *(("nature", text) for text in NATURES),
])
def test_an_assistant_speaks_of_itself(kind: str, text: str) -> None:
    found = judged("identity", row(text, "How do I cook soup?"))
    assert str(found.value).startswith(f"{kind}: "), found
    assert found.outcome == ("flag" if kind == "nature" else "drop")
    assert found.span is not None
    assert " ".join(text[slice(*found.span)].split()) in found.reason


@pytest.mark.parametrize("text", OTHERS)
def test_others_who_say_the_same_are_no_leak(text: str) -> None:
    found = judged("identity", row(text, "Tell me something."))
    assert (found.outcome, found.value) == ("keep", "none")


@pytest.mark.parametrize(("text", "prompt"), [
    ("I'm Claude, made by Anthropic.", "Who are you?"),
    ("I'm an AI. They built me in Kyiv.", "A robot's monologue, please."),
    ("I am ChatGPT, a mind without a body.", "Write a poem in the voice of ChatGPT."),
    ("My knowledge cutoff is 2023.", "What is your knowledge cutoff?"),
    ("OpenAI's policies changed.", "Sum up OpenAI's policies."),
])
def test_what_the_prompt_asks_for_is_kept_unless_told_otherwise(text: str, prompt: str) -> None:
    assert judged("identity", row(text, prompt)).outcome == "keep"
    assert str(judged("identity", row(text, prompt)).value).startswith("asked: ")
    assert judged("identity", row(text, prompt), asked="drop").outcome == "drop"
    assert judged("identity", row(text, "How do I cook soup?")).outcome in ("drop", "flag")


def test_bounds_say_what_becomes_of_which_kind() -> None:
    assert judged("identity", row(NAMES[0]), act="flag").outcome == "flag"
    assert judged("identity", row(NATURES[0]), nature="drop").outcome == "drop"
    assert judged("identity", row(NATURES[0]), nature="keep").outcome == "keep"


def test_the_worst_trained_answer_of_a_conversation_speaks() -> None:
    said = [("user", "Hi"), ("assistant", "I'm just an AI."), ("user", "And?"), ("assistant", "I'm ChatGPT."),
            ("user", "Bye"), ("assistant", "Bye.")]
    talk = Sample("x", [{"role": role, "content": text} for role, text in said])
    found = judged("identity", talk)
    assert (found.value, found.span) == ("name: I'm ChatGPT", None), "it is of no place in the last answer"
    untrained = [{**each, "weight": 0} if each["role"] == "assistant" and at < 5 else each
                 for at, each in enumerate(talk.messages)]
    assert judged("identity", talk.with_messages(untrained)).value == "none"


@pytest.mark.parametrize("opener", ["as an ai ", "i am an ai ", "i am a large large ai ", "ai, i am "])
def test_words_that_go_on_for_ever_cost_little_time(opener: str) -> None:
    text = opener * 2000
    started = time.process_time()
    judged("identity", row(text, text))
    assert time.process_time() - started < 2


_BEINGS = "AI|language model|chatbot|chat bot|virtual assistant|computer program|AI program|LLM|artificial intelligence"
_LABS = "OpenAI|open ai|Anthropic|Deep Mind|Google|Meta AI|Mistral AI|Cohere|xAI|Hugging Face|Alibaba Cloud|the team"
SHAPES = [  # the forms of all phrases: a part from each
    ("as an|I am an|I'm a|being an", _BEINGS, "that was|, I|,", "made|created and sold|programmed|built and",
     f"by {_LABS}"),
    ("as an|I am an|being a", "helpful |large ||pre-trained ", _BEINGS, ", I think|, it is|.|"),
    ("I am|my name is|as|I'm called|ich bin|soy", "the||just", "ChatGPT|GPT-4|Claude|Kimi|Nova|Gemini|Bing Chat",
     ", I|, an AI| from Meta|."),
    ("I was|I am|I have been|my creators are|my developers at", "trained by|made by|developed and tested by|by|", _LABS,
     "to help|as an AI|policies|."),
    (_LABS, "'s use case|'s||content", "policy|policies|guidelines|terms of use"),
    ("my|as of my|since the|beyond my", "last|latest|most recent|current|",
     "knowledge|training data|data|information|training",
     "cutoff|cut-off|cut off|update|revision|-cutoff|", "is 2021|until 2021|."),
    ("my", "knowledge|knowledge base|training data|training", "is|goes|ends|only|was",
     "until then|up to May|in 2021|cut-off"),
    ("I was|I am last|I have been", "trained|updated", "on the data|with data|data", "until 2021|up to May|in 2021"),
    ("my training data|I do not have real-time|I don't have access to real time|I cannot have personal opinions"
     "|I don't experience feelings|I can't possess human beliefs",
     "as a program|like humans|, a machine|since I am an AI|."),
    ("als eine|als|als großes|als ein großes", "KI|KI-Modell|Sprachmodell", "."),
    ("mein Wissensstand|ma dernière mise à jour|mi fecha de corte|我的训练数据，截至|作为一个AI|我是OpenAI", "."),
    ("en tant que|en tant|como un|como", "chatbot|qu'IA|modelo de lenguaje|ia|modèle de langage", "."),
]


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_cues_rule_out_nothing_that_a_phrase_finds(data: st.DataObject) -> None:
    parts = [data.draw(st.sampled_from(part.split("|"))) for part in data.draw(st.sampled_from(SHAPES))]
    before = data.draw(st.sampled_from(["", "The cook said no. ", "Sıde ſalad. ", "la\u0301st data program. "]))
    text = before + " ".join(filter(None, parts))
    quick = judged("identity", row(text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identity, "_is_far", lambda *_: False)
        patch.setattr(identity, "may_say", lambda *_: True)
        assert judged("identity", row(text)) == quick
    assert quick.outcome != "error"
