"""What becomes of parameters on their way to a host: renamed and left out where it is known, else untouched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.hosts.parameters import adapted, cure, rules_of, table, told

OPENAI = "https://api.openai.com/v1"
ASKED = {"max_tokens": 50, "temperature": 0.7, "top_p": 1, "stop": ["#"], "logprobs": True}


@pytest.mark.parametrize(("model", "sent"), [
    ("gpt-4.1-mini", ASKED),
    ("gpt-5-chat-latest", ASKED),
    ("o3", {"max_completion_tokens": 50, "top_p": 1, "stop": ["#"]}),
    ("o3-mini-2025-01-31", {"max_completion_tokens": 50, "stop": ["#"]}),
    ("ft:o4-mini-2025-04-16:plots::abc", {"max_completion_tokens": 50, "top_p": 1, "stop": ["#"]}),
    ("gpt-5.4", {"max_completion_tokens": 50, "temperature": 0.7, "top_p": 1, "stop": ["#"], "logprobs": True}),
])
def test_only_what_a_model_is_known_to_refuse_is_sent_in_another_way(model, sent):
    assert adapted(ASKED, rules_of(OPENAI, model, {})) == sent


def test_the_table_holds_for_its_own_addresses_and_synth_toml_wins():
    for address in ("http://localhost:8000/v1", "https://openrouter.ai/api/v1", "https://api.openai.com.plots.test/v1"):
        assert adapted(ASKED, rules_of(address, "o3", {})) == ASKED
    azure = "https://plots.openai.azure.com/openai/v1"
    assert "max_tokens" not in adapted(ASKED, rules_of(azure, "o3", {}))
    own = {"max_tokens": True, "temperature": True, "stop": False, "logprobs": "want_logprobs"}
    assert adapted(ASKED, rules_of(OPENAI, "o3", own)) == {
        "max_tokens": 50, "temperature": 0.7, "top_p": 1, "want_logprobs": True}
    assert adapted(ASKED, rules_of("http://localhost/v1", "m", {"top_p": False})) == {
        key: value for key, value in ASKED.items() if key != "top_p"}


def test_the_default_that_a_model_takes_stays_and_a_limit_by_its_new_name_wins():
    rules = rules_of(OPENAI, "o3", {})
    assert adapted({"temperature": 1.0, "presence_penalty": 0}, rules) == {"temperature": 1.0, "presence_penalty": 0}
    assert adapted({"max_tokens": 50, "max_completion_tokens": 900}, rules) == {"max_completion_tokens": 900}


@given(st.dictionaries(st.text(), st.one_of(st.none(), st.integers(), st.text()), max_size=5), st.text())
def test_nothing_is_ever_filled_in(parameters, model):
    for name in (model, "o3"):
        sent = adapted(parameters, rules_of(OPENAI, name, {}))
        assert len(sent) <= len(parameters)
        assert all(value in parameters.values() for value in sent.values())


def test_it_is_said_what_is_sent_in_another_way_and_how_to_have_it_as_it_is_written():
    (said,) = told("openai", ASKED, {"model": "o3", **adapted(ASKED, rules_of(OPENAI, "o3", {}))})
    assert said.startswith("openai:o3: max_tokens is sent as max_completion_tokens, temperature is left out, ")
    assert "[providers.openai.parameters] max_tokens = true" in said
    assert told("openai", ASKED, {"model": "m", "messages": [], **ASKED}) == []


@pytest.mark.parametrize(("message", "line"), [
    ("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
     '[providers."a.b".parameters] max_tokens = "max_completion_tokens"'),
    ("Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported.",
     '[providers."a.b".parameters] temperature = false'),
    ("Unsupported value: 'messages[0].role' does not support 'system' with this model.", None),
    ("You exceeded your current quota", None),
])
def test_a_refusal_names_the_line_that_mends_it(message, line):
    assert cure(message, "a.b") == line


def test_the_table_says_where_it_is_from():
    assert table()["tried"] is False
    assert all(family["sources"] for family in table()["families"])
