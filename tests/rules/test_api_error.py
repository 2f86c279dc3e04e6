"""The rule `api-error`: errors of hosts, proxies and scripts, and answers about them."""

from __future__ import annotations

import time

import pytest

from tests.rules.rows import judged, row

ERRORS = [
    "Rate limit reached for gpt-4 in organization org-abc on tokens per min.",
    "Error code: 429 - {'error': {'message': 'You exceeded your current quota'}}",
    '{"error": {"message": "The server had an error", "type": "server_error"}}',
    '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
    "{'message': 'x', 'statusCode': 429}",
    "upstream connect error or disconnect/reset before headers. reset reason: overflow",
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>",
    '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Just a moment...</title>',
    "An error occurred while generating the response.", "⚠️ An error occurred while generating the response.",
    "Traceback (most recent call last):\n  File \"x.py\", line 1\nKeyError: 'choices'",
    "Something went wrong. If this issue persists please contact us through our help center at help.openai.com.",
    "Error: timeout", "openai.error.RateLimitError: That model is currently overloaded", "Internal Server Error",
    "503 Service Unavailable", "HTTP 429 Too Many Requests", "Error", "Request timed out.", "[object Object]",
    "no healthy upstream", "Something went wrong, please try again later.", "Connection refused",
    "This model's maximum context length is 4097 tokens. However, you requested 5000.",
]
ANSWERS = [
    "Error: the machine said, and Ann laughed. She had built it herself.", "Forbidden love in Verona: two families.",
    "404 men marched north.", "Not found in nature, the dye is made from tar.", "500 internal candidates applied.",
    "Failed states are hard to mend.", "Access denied is the title of my memoir.", "Conflict",
    "Unauthorized biography.", "Something went wrong that night, and nobody in the village speaks of it.",
    '{"error": null, "answer": 3}', "<html><head><title>My cats</title></head><body>cats</body></html>",
    "Connection failed; she put the phone down.", "Too many requests came in, so the baker shut the door.",
    "The server is down at the inn, with a fever.", '{"error": "none", "items": []}',
    "Traceback (most recent call last): so begins every bad day of mine.",
]


@pytest.mark.parametrize("text", ERRORS)
def test_errors_are_dropped_with_their_words(text: str) -> None:
    found = judged("api-error", row(text, "Write a poem about the sea."))
    assert (found.outcome, str(found.value).split(":")[0]) == ("drop", "whole"), found
    assert found.span is not None
    assert judged("api-error", row(text, "Write a poem."), act="flag").outcome == "flag"


@pytest.mark.parametrize("text", ANSWERS)
def test_answers_that_begin_alike_are_none(text: str) -> None:
    found = judged("api-error", row(text, "Write a poem about the sea."))
    assert (found.outcome, found.value) == ("keep", "none")


@pytest.mark.parametrize("prompt", [
    "What does this code print?", "Explain HTTP 429.", "Which error is it?", "Write a JSON of it.",
])
def test_a_prompt_about_errors_asked_for_them(prompt: str) -> None:
    found = judged("api-error", row(ERRORS[-1], prompt))
    assert (found.outcome, str(found.value)[:7]) == ("keep", "asked: ")


def test_an_answer_that_ends_in_an_error() -> None:
    text = "Once upon a time, a fox\n\nAn error occurred while generating the response."
    found = judged("api-error", row(text, "A tale, please."))
    assert found.outcome == "drop"
    assert found.reason.startswith("ends in an error of the host")
    assert found.span is not None
    assert text[slice(*found.span)] == "An error occurred while generating the response"


@pytest.mark.parametrize("opener", ["<html><", "a.a.a.a.", "{'error': ", "error ", "<html>" + "<b>" * 30])
def test_an_opening_that_never_ends_costs_no_time(opener: str) -> None:
    started = time.process_time()
    judged("api-error", row((opener * 4000)[:3_999]))
    assert time.process_time() - started < 0.3
