"""The rule `control-tokens`: tokens of every family, in every message."""

from __future__ import annotations

import pytest

from pipeline.errors import RecipeError
from pipeline.render import families, places
from tests.rules.rows import judged, row, rule


@pytest.mark.parametrize("token", [
    "<|im_start|>", "[INST]", "<start_of_turn>", "<|eot_id|>", "<<SYS>>", "<|reserved_special_token_7|>",
    "<|reserved_200013|>", "<turn|>", "<|fim_suffix|>",
])
def test_a_token_is_dropped_with_its_place(token: str) -> None:
    found = judged("control-tokens", row(f"Well, {token} it is."))
    assert (found.outcome, found.value, found.span) == ("drop", f"sure: {token}", (6, 6 + len(token)))
    assert judged("control-tokens", row("Fine.", f"What is {token}?")).outcome == "drop", "a prompt is rendered too"
    assert judged("control-tokens", row("Fine.", f"What is {token}?")).span is None


@pytest.mark.parametrize("text", [
    "1 < 2 | 3 <|nothing|>", "[1] and <b>bold</b>", "<|reserved_special_token_999|>", "a [INSTALL] b", "",
])
def test_what_looks_like_one_is_none(text: str) -> None:
    assert judged("control-tokens", row(text)).value == "none"


def test_words_of_html_are_flagged_and_all_tokens_are_told() -> None:
    found = judged("control-tokens", row("The price is <s>9</s> 8."))
    assert (found.outcome, found.value) == ("flag", "maybe: <s> </s>")
    assert judged("control-tokens", row("<s>9</s>"), maybe="keep").outcome == "keep"
    assert judged("control-tokens", row("<s>[INST] a [/INST]"), act="flag").value == "sure: [INST] [/INST]"


def test_families_may_be_named() -> None:
    assert judged("control-tokens", row("a [INST] b"), families=["gemma"]).outcome == "keep"
    assert judged("control-tokens", row("a [INST] b"), families=["llama2"]).outcome == "drop"
    with pytest.raises(RecipeError, match="unknown family 'lama2'"):
        rule("control-tokens", families=["lama2"])


def test_places_of_tokens_in_a_text() -> None:
    assert list(places("a </s> b <|im_end|>", ("llama2", "chatml"))) == [("</s>", (2, 6)), ("<|im_end|>", (9, 19))]
    assert list(places("</s>", ("chatml",))) == []
    assert {"openai", "llama2", "gemma"} <= set(families())
