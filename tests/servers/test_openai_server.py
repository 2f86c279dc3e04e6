"""The loopback server itself: what it sends on the wire, and that its ledger says so."""

from __future__ import annotations

import contextlib
import http.client
import json
import time

import pytest

from tests.servers._answers import ANSWERED, ERRORS, FAULTS, story


def chat(server, text="A plot, please.", token=None, **parameters):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=0.5)
    body = json.dumps({"model": "story-small", "messages": [{"role": "user", "content": text}], **parameters})
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with contextlib.closing(connection):
        connection.request("POST", "/v1/chat/completions", body, headers)
        with connection.getresponse() as response:
            return response.status, dict(response.getheaders()), response.read()


def test_an_answer_follows_from_the_body_and_is_in_the_ledger(openai_server):
    server = openai_server(keep=True)
    first, again, other = chat(server), chat(server), chat(server, "Another.")
    assert first[0] == 200
    assert first[2] == again[2] != other[2]
    value = json.loads(first[2])
    assert len(value["choices"][0]["message"]["content"]) > 200
    assert value["usage"]["total_tokens"] == value["usage"]["prompt_tokens"] + value["usage"]["completion_tokens"]
    assert [event["event"] for event in server.ledger()] == ["received", "answered"] * 3
    assert server.received()[0]["text"] == "A plot, please."
    assert sorted(server.paid().values()) == [1, 2]
    assert [event["try"] for event in server.answered()] == [1, 2, 1]


def test_a_script_answers_by_model_and_conversation(openai_server):
    server = openai_server(script={"^big": "from big", "useless.*again": "mended", "mood": "useless"})
    said = [json.loads(chat(server, *asked[:1], **dict(asked[1:]))[2])["choices"][0]["message"]["content"]
            for asked in (("mood?", ("model", "big")), ("mood? useless; again",), ("mood?",))]
    assert said == ["from big", "mended", "useless"]


def test_max_tokens_cuts_the_answer(openai_server):
    value = json.loads(chat(openai_server(), max_tokens=10)[2])
    assert value["choices"][0]["finish_reason"] == "length"
    assert value["usage"]["completion_tokens"] <= 10


@pytest.mark.parametrize("kind", sorted(set(ERRORS) - {"reset", "hang", "closed"}))
def test_every_error_by_marker(openai_server, kind):
    status, headers, body = chat(openai_server(), f"[[fault:{kind}]]")
    reply = ERRORS[kind]
    assert (status, body) == (reply.status, reply.body)
    assert set(reply.headers) <= set(headers.items())


def test_faults_on_the_wire(openai_server):
    server = openai_server()
    with pytest.raises(ConnectionResetError):
        chat(server, "[[fault:reset]]")
    with pytest.raises(http.client.RemoteDisconnected):
        chat(server, "[[fault:closed]]")
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        chat(server, "[[fault:reset_mid]]")
    with pytest.raises(http.client.IncompleteRead):
        chat(server, "[[fault:truncated]]")
    with pytest.raises(json.JSONDecodeError):
        json.loads(chat(server, "[[fault:malformed]]")[2])
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        chat(server, "[[fault:hang]]")
    assert time.monotonic() - started > 0.4
    deadline = time.monotonic() + 5
    while server.ledger()[-1]["event"] != "lost" and time.monotonic() < deadline:
        time.sleep(0.01)  # the server hears of the closed socket a moment later
    assert [(e["event"], e["kind"]) for e in server.ledger() if e["event"] != "received"] == [
        ("answered", "reset"), ("answered", "closed"), ("answered", "reset_mid"), ("answered", "truncated"),
        ("answered", "malformed"), ("lost", "hang")]


def test_a_marker_may_count(openai_server):
    server = openai_server()
    assert [chat(server, "[[fault:server_500*2]] plot")[0] for _ in range(4)] == [500, 500, 200, 200]
    assert server.kinds() == {"server_500": 2, "ok": 2}


def test_rates_are_kept_and_repeat(openai_server):
    rates = {"rate_limit": 0.2, "empty_choices": 0.1}
    seen = []
    for seed in (1, 1, 2):
        server = openai_server(rates=rates, seed=seed)
        seen.append([chat(server, f"plot {i}")[2] for i in range(300)])
        assert 35 <= server.kinds()["rate_limit"] <= 90
        assert 12 <= server.kinds()["empty_choices"] <= 52
    assert seen[0] == seen[1] != seen[2]


def test_buckets_refuse_and_say_when(openai_server):
    server = openai_server(rpm=600, burst_s=1)  # ten at once, then ten a second
    replies = [chat(server, f"plot {i}") for i in range(14)]
    refused = [headers for status, headers, _ in replies if status == 429]
    assert 2 <= len(refused) <= 4
    assert 1 <= int(refused[0]["retry-after-ms"]) <= 110
    assert refused[0]["x-ratelimit-remaining-requests"] == "0"
    assert refused[0]["x-ratelimit-limit-requests"] == "600"
    time.sleep(0.15)
    assert chat(server, "after the wait")[0] == 200
    small = openai_server(tpm=6000, burst_s=1)
    assert chat(small, max_tokens=90)[0] == 200
    assert chat(small, max_tokens=90)[0] == 429


def test_key_models_quota_context(openai_server):
    server = openai_server(key="sk-right", models=["story-small"], quota=2, context=100)
    assert chat(server)[0] == chat(server, token="sk-wrong")[0] == 401
    assert chat(server, token="sk-right", model="gpt-9")[0] == 404
    assert chat(server, "long " * 200, token="sk-right")[0] == 400
    assert [chat(server, token="sk-right")[0] for _ in range(3)] == [200, 200, 429]
    assert server.kinds()["quota"] == 1


def test_the_ledger_goes_on_after_a_restart(openai_server, tmp_path):
    first = openai_server(ledger=tmp_path / "one.jsonl")
    chat(first)
    first.stop()
    second = openai_server(ledger=tmp_path / "one.jsonl", port=first.port)
    chat(second)
    assert list(second.paid().values()) == [2]


def test_stories_differ():
    texts = {story(bytes([i]) * 32) for i in range(256)} | {story(i.to_bytes(32, "big")) for i in range(1, 2000)}
    assert len(texts) > 2200
    assert len(FAULTS) == len(set(FAULTS)) == len(ERRORS) + len(ANSWERED)
