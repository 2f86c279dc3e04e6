"""The OpenAI-compatible provider against a real server: what it sends, what it makes of every answer, what it hides."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import ssl
import subprocess
import traceback

import orjson
import pytest

from pipeline.digest import call_id
from pipeline.engine.protocol import CallFailed
from pipeline.errors import RecipeError
from pipeline.providers import build, provider_for
from pipeline.providers.openai import encode, usage_of
from pipeline.settings import ProviderEntry, Settings
from pipeline.types import CallRequest, Usage

KEY = "sk-planted-0123456789abcdefghij"
ENV = {"OPENAI_API_KEY": KEY}


def request(provider, text="A plot, please.", **parameters):
    body = provider.body("story-small", [{"role": "user", "content": text}], parameters)
    return CallRequest(call_id(provider.namespace, "chat", body), provider.namespace, body)


def open_at(server, *, env=ENV, **settings):
    return provider_for("openai:story-small", Settings(base_url=server.base_url, **settings), env)[0]


async def failing(provider, text, **parameters):
    with pytest.raises(CallFailed) as caught:
        await provider.ask(request(provider, text, **parameters))
    return caught.value.failure


async def test_an_answer_is_kept_whole_and_the_bytes_are_ours(openai_server):
    server = openai_server(key=KEY)
    provider = open_at(server)
    asked = request(provider, "Ünïcode 🎬 plot", temperature=0.7, max_tokens=1000, stop=["###"])
    answer = await provider.ask(asked)
    await provider.close()
    assert answer.finish_reason == "stop"
    assert answer.model == "story-small"
    assert answer.message.keys() == {"role", "content", "refusal"}
    assert answer.usage.input_tokens > 5
    assert answer.usage.output_tokens > 50
    sent = hashlib.sha256(orjson.dumps(asked.body)).digest()[:10].hex()
    assert [event["body"] for event in server.received()] == [sent]


async def test_tool_calls_reasoning_refusal_and_details_are_kept(openai_server):
    server = openai_server()
    provider = open_at(server)
    tools = await provider.ask(request(provider, "[[fault:tool_calls]]"))
    parts = await provider.ask(request(provider, "[[fault:parts]]"))
    refusal = await provider.ask(request(provider, "[[fault:refusal]]"))
    cut = await provider.ask(request(provider, "[[fault:length]]"))
    null = await provider.ask(request(provider, "[[fault:null_content]]"))
    filtered = await provider.ask(request(provider, "[[fault:filtered]]"))
    await provider.close()
    assert tools.message["tool_calls"][0]["function"]["arguments"] == '{"city": "Turin"}'
    assert tools.finish_reason == "tool_calls"
    assert parts.message["reasoning_content"] == "First, think."
    assert (parts.usage.cached_tokens, parts.usage.reasoning_tokens) == (7, 5)
    assert refusal.message["refusal"].startswith("I'm sorry")
    assert (cut.finish_reason, null.message["content"], filtered.finish_reason) == ("length", None, "content_filter")


@pytest.mark.parametrize(
    ("fault", "kind", "status", "code", "wait", "billed"),
    [
        ("rate_limit", "rate_limit", 429, "rate_limit_exceeded", 1.0, False),
        ("rate_limit_ms", "rate_limit", 429, "rate_limit_exceeded", 0.15, False),
        ("rate_limit_bare", "rate_limit", 429, "rate_limit_exceeded", None, False),
        ("slow_down", "rate_limit", 429, "slow_down", 2.0, False),
        ("quota", "quota", 429, "credit_balance_exhausted", None, False),
        ("auth", "auth", 401, "invalid_api_key", None, False),
        ("forbidden", "auth", 403, "unsupported_country_region_territory", None, False),
        ("context", "length", 400, "context_length_exceeded", None, False),
        ("content_filter", "content_filter", 400, "content_filter", None, False),
        ("parameter", "bad_request", 400, "unsupported_parameter", None, False),
        ("server_500", "server", 500, "server_error", None, False),
        ("server_500_final", "bad_request", 500, "server_error", None, False),
        ("overloaded", "server", 503, "server_is_overloaded", 1.0, False),
        ("bad_gateway", "server", 502, None, None, False),
        ("malformed", "parse", 200, None, None, True),
        ("array", "parse", 200, None, None, True),
        ("html", "parse", 200, "wrong_address", None, False),
        ("empty_choices", "parse", 200, None, None, True),
        ("no_message", "parse", 200, None, None, True),
        ("reset", "connection", None, None, None, True),
        ("reset_mid", "connection", None, None, None, True),
        ("truncated", "connection", None, None, None, True),
    ],
)
async def test_every_fault_has_its_class(openai_server, fault, kind, status, code, wait, billed):
    server = openai_server()
    provider = open_at(server)
    found = await failing(provider, f"[[fault:{fault}]]")
    await provider.close()
    assert (found.kind, found.status, found.code, found.retry_after, found.billed) == (kind, status, code, wait, billed)
    assert found.message
    assert server.kinds() == {fault: 1}  # one attempt: nobody below us tries again
    if status is not None:
        assert found.raw


async def test_a_hang_is_a_timeout_that_may_have_cost(openai_server):
    server = openai_server()
    provider = open_at(server, timeout_s=0.3)
    found = await failing(provider, "[[fault:hang]]")
    after = await provider.ask(request(provider, "The connection of the hang is not used again."))
    await provider.close()
    assert (found.kind, found.billed) == ("timeout", True)
    assert "0.3 s" in found.message
    assert after.finish_reason == "stop"


async def test_nobody_at_home_names_the_address_and_the_cure(openai_server):
    server = openai_server()
    server.stop()
    provider = open_at(server)
    found = await failing(provider, "hello")
    await provider.close()
    assert (found.kind, found.billed) == ("connection", False)
    assert server.base_url in found.message
    assert "--base-url" in found.message
    assert "synth.toml" in found.message


async def test_an_unknown_model_names_the_near_one_and_asks_once(openai_server):
    server = openai_server(models=["story-large", "story-small"])
    provider = open_at(server)
    body = {"model": "story-smal", "messages": [{"role": "user", "content": "hello"}]}
    for _ in range(2):
        with pytest.raises(CallFailed) as caught:
            await provider.ask(CallRequest("x", "openai", body))
        assert (caught.value.failure.kind, caught.value.failure.code) == ("bad_request", "model_not_found")
        assert caught.value.failure.message == "openai: unknown model 'story-smal'; did you mean 'story-small'?"
    assert await provider.models() == ["story-large", "story-small"]
    await provider.close()


async def test_an_address_without_v1_says_so(openai_server):
    server = openai_server()
    provider = provider_for("openai:story-small", Settings(base_url=f"{server.root}/api"), ENV)[0]
    found = await failing(provider, "hello")
    await provider.close()
    assert (found.kind, found.status, found.code) == ("bad_request", 404, "wrong_address")
    assert f"{server.root}/api/chat/completions" in found.message
    assert "/v1" in found.message


async def test_a_planted_key_is_nowhere(openai_server, caplog):
    caplog.set_level("DEBUG")
    server = openai_server(key="another")  # its 401 echoes the whole key
    provider = open_at(server, timeout_s=0.5)
    seen = [repr(provider), repr(vars(provider)), repr(vars(provider._wire)), repr(provider._wire.secrets)]
    for text in ("plain", "[[fault:reset]]"):
        try:
            await provider.ask(request(provider, text))
        except CallFailed as error:
            shown = traceback.TracebackException.from_exception(error, capture_locals=True)
            seen += [repr(error), repr(error.failure), "".join(shown.format())]
    assert "Incorrect API key provided: [key]." in repr(seen)
    with pytest.raises(CallFailed) as caught:
        await provider.models()
    seen += [repr(caught.value.failure), caplog.text]
    await provider.close()
    echo = openai_server(answer=f"You said {KEY}.")
    provider = open_at(echo)
    seen.append(repr(await provider.ask(request(provider, "echo"))))
    await provider.close()
    assert "You said [key]." in seen[-1]
    assert not [text for text in seen if KEY in text]


async def test_a_key_that_cannot_be_one(openai_server):
    server = openai_server()
    provider = open_at(server, env={"OPENAI_API_KEY": "sk-planted\u2013key with spaces"})
    await provider.ask(request(provider))  # this machine needs no key: the broken one is not sent
    await provider.close()
    away = build("openai", Settings(), {"OPENAI_API_KEY": "sk-planted\u2013key"})
    found = await failing(away, "hello")
    assert found.kind == "auth"
    assert "OPENAI_API_KEY" in found.message
    assert "planted" not in found.message


async def test_no_key_is_said_before_anything_is_sent():
    provider = build("groq", Settings(), {})
    found = await failing(provider, "hello")
    assert (found.kind, found.message) == (
        "auth", "groq: no key: the environment variable GROQ_API_KEY is not set")
    await provider.close()


async def test_headers_of_an_entry_and_a_key_of_its_own(openai_server, monkeypatch):
    server = openai_server(key="from-a-header-secret")
    entry = ProviderEntry(base_url=server.base_url, headers={"Authorization": "Bearer ${GATE}", "x-team": "plots"})
    settings = Settings(providers={"gate": entry})
    provider, model = provider_for("gate:story-small", settings, {"GATE": "from-a-header-secret"})
    assert (await provider.ask(request(provider))).finish_reason == "stop"
    await provider.close()
    assert (provider.namespace, model) == ("gate", "story-small")
    wrong = build("gate", settings, {"GATE": "from-another-secret"})
    found = await failing(wrong, "hello")
    await wrong.close()
    assert "secret" not in found.message
    with pytest.raises(RecipeError, match="GATE is not set"):
        build("gate", settings, {})


async def test_a_proxy_is_used_for_hosts_away_and_not_for_this_machine(openai_server, monkeypatch):
    proxy, here = openai_server(), openai_server()
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, proxy.root)
    monkeypatch.setenv("NO_PROXY", "")
    away = build("openai", Settings(base_url="http://api.plots.invalid/v1"), ENV)
    near = open_at(here)
    assert (await away.ask(request(away))).finish_reason == "stop"
    assert (await near.ask(request(near))).finish_reason == "stop"
    assert (len(proxy.received()), len(here.received())) == (1, 1)
    monkeypatch.setenv("NO_PROXY", "plots.invalid")
    direct = build("openai", Settings(base_url="http://api.plots.invalid/v1", timeout_s=5), ENV)
    assert (await failing(direct, "hello")).kind == "connection"
    assert len(proxy.received()) == 1
    for provider in (away, near, direct):
        await provider.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
async def test_a_private_authority_is_trusted_when_it_is_named(openai_server, tmp_path, monkeypatch):
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True)
    server = openai_server(tls=[cert, key])
    stranger = open_at(server)
    found = await failing(stranger, "hello")
    assert (found.kind, found.billed) == ("connection", False)
    assert "SSL_CERT_FILE" in found.message
    monkeypatch.setenv("SSL_CERT_FILE", cert)
    friend = open_at(server)
    assert (await friend.ask(request(friend))).finish_reason == "stop"
    for provider in (stranger, friend):
        await provider.close()
    assert ssl.OPENSSL_VERSION


async def test_many_at_once_open_as_many_lanes_as_they_need(openai_server):
    server = openai_server(latency_s=0.1)
    provider = open_at(server)
    answers = await asyncio.gather(*(provider.ask(request(provider, f"plot {i}")) for i in range(60)))
    assert len(provider._wire._lanes) == 8  # 60 in lanes of 8
    await asyncio.gather(*(provider.ask(request(provider, f"again {i}")) for i in range(20)))
    assert len(provider._wire._lanes) == 8
    await provider.close()
    assert len({answer.message["content"] for answer in answers}) == 60
    assert set(server.paid().values()) == {1}


async def test_a_cancelled_question_leaves_the_others_alone(openai_server):
    server = openai_server(latency_s=0.3)
    provider = open_at(server)
    first = asyncio.create_task(provider.ask(request(provider, "one")))
    second = asyncio.create_task(provider.ask(request(provider, "two")))
    await asyncio.sleep(0.1)
    first.cancel()
    assert (await second).finish_reason == "stop"
    with pytest.raises(asyncio.CancelledError):
        await first
    await provider.close()


def test_a_provider_that_was_closed_serves_the_next_stage(openai_server):
    """`run` generates and then augments with one provider, each in an event loop of its own."""
    provider = open_at(openai_server())

    async def stage(text: str) -> str | None:
        answer = await provider.ask(request(provider, text))
        await provider.close()
        return answer.finish_reason

    assert [asyncio.run(stage(text)) for text in ("one", "two", "three")] == ["stop"] * 3


def test_a_body_has_no_default_and_no_key_of_ours():
    provider = build("openai", Settings(), ENV)
    messages = [{"role": "user", "content": "hello"}]
    assert provider.body("m", messages, {}) == {"model": "m", "messages": messages}
    assert provider.body("m", messages, {"temperature": 0})["temperature"] == 0
    for name in ("n", "stream", "model"):
        with pytest.raises(RecipeError, match=name):
            provider.body("m", messages, {name: 2})


def test_odd_bodies_and_usages():
    assert orjson.loads(encode({"a": "é\x00"})) == {"a": "é\x00"}
    assert encode({"a": "\ud800"}) == b'{"a":"\\ud800"}'
    assert usage_of({"prompt_tokens": 3, "completion_tokens": 4}) == Usage(3, 4)
    assert usage_of({"prompt_tokens": 3, "completion_tokens": 4, "prompt_cache_hit_tokens": 2}) == Usage(3, 4, 2)
    for value in (None, 7, {}, {"prompt_tokens": 3}, {"prompt_tokens": "3", "completion_tokens": None},
                  {"prompt_tokens": True, "completion_tokens": 1}, {"prompt_tokens": -1, "completion_tokens": 1}):
        assert usage_of(value) is None


async def test_a_password_in_an_address_or_a_header_is_not_shown(openai_server):
    server = openai_server()
    server.stop()
    secret = "hunter2secret"
    provider = build("openai", Settings(base_url=server.base_url.replace("//", f"//me:{secret}@")), ENV)
    found = await failing(provider, "hello")
    await provider.close()
    assert server.base_url in found.message
    assert secret not in found.message + repr(provider) + repr(vars(provider._wire))
    entry = ProviderEntry(base_url=server.base_url, headers={"x-key": f"{secret}\n"})
    with pytest.raises(RecipeError) as caught:
        build("gate", Settings(providers={"gate": entry}), {})
    assert secret not in str(caught.value)


@pytest.mark.parametrize("base_url", ["localhost:8000/v1", "ftp://x/v1", "/v1"])
def test_an_address_that_is_none(base_url):
    with pytest.raises(RecipeError, match="http"):
        build("openai", Settings(base_url=base_url), ENV)
