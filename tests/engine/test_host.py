"""The engine against a server of its own process: faults of every kind, a rate, a dead host, two stages in one run."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pipeline.errors import ProviderError
from pipeline.generate import Options, Writer, generate
from pipeline.prices import Price
from pipeline.providers import provider_for
from pipeline.recipe import parse_recipe
from pipeline.run import run_recipe
from pipeline.settings import Settings
from pipeline.store import Dataset

ENV = {"OPENAI_API_KEY": "sk-loopback-engine"}
PRICE = Price(1.0, 10.0, None, "2026-11", "a test")
RECIPE = """\
synth: 1
name: tales
axes: {n: {numbers: {min: 1, max: 60}}}
prompt: {user: "Tale {{n}}."}
train: {user: "{{n}}"}
generate: {model: "openai:story-small", max_tokens: 2000}
"""


def made(path: Path, server, recipe: str = RECIPE, **settings):
    """One run of `generate`, in this process, as it would go on from a shell."""
    how = Settings(base_url=server if isinstance(server, str) else server.base_url, **{"concurrency": 8, **settings})
    provider, model = provider_for("openai:story-small", how, ENV)
    with Dataset.create(path / "tales") as dataset:
        parsed = parse_recipe(recipe, path / "tales.yaml")
        return generate(parsed, dataset, Writer(provider, model, PRICE), how, Options())


def test_a_host_with_every_passing_fault(tmp_path: Path, openai_server) -> None:
    rates = {"rate_limit_ms": 0.1, "bad_gateway": 0.05, "server_500": 0.05, "reset": 0.03, "reset_mid": 0.03,
             "truncated": 0.03}
    server = openai_server(rates=rates, latency_s=0.01, jitter=True)
    done = made(tmp_path, server, retries=12)
    assert (done.wanted, done.standing) == (60, 60)
    assert done.progress.retried > 5
    kinds = server.kinds()
    assert kinds["ok"] == 60, "no answer is asked for twice"
    with Dataset.open(tmp_path / "tales") as dataset:
        spent = dataset.calls.spent()
        assert spent.answered == 60
        maybe = kinds["reset_mid"] + kinds["truncated"]
        assert (spent.unconfirmed_usd > 0) == (maybe > 0), "an answer that broke off on the way may be charged"
    before = len(server.received())
    made(tmp_path, server)
    assert len(server.received()) == before


def test_a_host_with_a_rate(tmp_path: Path, openai_server) -> None:
    """600 a minute, ten at once: what it refuses it says when to ask again for, and that is when it is asked."""
    server = openai_server(rpm=600, burst_s=1.0)
    started = time.monotonic()
    done = made(tmp_path, server, concurrency=32, retries=2)
    seconds = time.monotonic() - started
    assert done.standing == 60
    assert 4.0 < seconds < 20
    refused = sum(count for kind, count in server.kinds().items() if kind != "ok")
    assert refused < 360, f"{refused} refusals for 60 answers"


def test_exhausted_credit(tmp_path: Path, openai_server) -> None:
    server = openai_server(quota=20, latency_s=0.02)
    with pytest.raises(ProviderError) as caught:
        made(tmp_path, server)
    assert "credit" in caught.value.hint
    assert len(server.received()) <= 20 + 2 * 8
    with Dataset.open(tmp_path / "tales") as dataset:
        assert dataset.calls.spent().answered == 20
        assert len(list(dataset.samples())) == 20


def test_a_host_that_goes_away_in_the_middle(tmp_path: Path, openai_server, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.engine import asker

    monkeypatch.setattr(asker, "PATIENCE_S", (3.0, 2.0))
    server = openai_server(latency_s=0.05)

    def stop_it(progress) -> None:
        if progress.answered >= 20 and not server.ended():
            server.kill()

    how = Settings(base_url=server.base_url, concurrency=4)
    provider, model = provider_for("openai:story-small", how, ENV)
    recipe = parse_recipe(RECIPE.replace("max: 60", "max: 3000"), tmp_path / "tales.yaml")
    started = time.monotonic()
    with Dataset.create(tmp_path / "tales") as dataset:
        with pytest.raises(ProviderError):
            generate(recipe, dataset, Writer(provider, model, PRICE), how, Options(), stop_it)
        assert time.monotonic() - started < 30
        answered = dataset.calls.spent().answered
        assert 20 <= answered < 3000
        assert len(list(dataset.samples())) == answered


def test_two_stages_of_one_run_ask_the_same_provider(tmp_path: Path, openai_server) -> None:
    server = openai_server()
    recipe = parse_recipe(
        RECIPE + "curate: [{length: {min: 1500, unit: bytes, newline: lf}}]\naugment: [{expand: {below: 1500}}]\n",
        tmp_path / "tales.yaml",
    )
    how = Settings(base_url=server.base_url, concurrency=8)
    provider, model = provider_for("openai:story-small", how, ENV)
    with Dataset.create(tmp_path / "tales") as dataset:
        stages = dict(run_recipe(recipe, dataset, Writer(provider, model, PRICE), how, Options()))
    assert list(stages) == ["generate", "augment", "curate", "export"]
    assert stages["augment"].touched > 0
    assert stages["augment"].failed == 0
    assert len(server.received()) == 60 + stages["augment"].touched
