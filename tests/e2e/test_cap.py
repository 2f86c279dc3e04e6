"""--max-usd over kill -9 and resumes, by the server's ledger; and bills laid beside what real runs came to."""

from __future__ import annotations

import os
import random
import shlex
import signal
import time

import pytest

from tests.servers import running

pytestmark = pytest.mark.forked
ENV = {"OPENAI_API_KEY": "sk-loopback-e2e"}
EACH = 0.01
"""Dollars of each answer: 100 tokens, and a price for what is written alone."""
CAP = 0.75
PRICE = '[prices."story-small"]\ninput = 0\noutput = 100\n'
RECIPE = """\
synth: 1
name: tales
axes: {who: {numbers: {min: 1, max: 40}}, what: [sea, road, war, love, law, snow, debt, fire]}
sample: {rows: 200, how: random}
prompt: {user: "Tale {{who}} of {{what}}.", salt: true}
train: {user: "{{what}}"}
generate: {model: "openai:story-small", max_tokens: 150}
curate: [{length: {min: 400, unit: bytes}}]
export: {formats: [openai-chat]}
"""


@pytest.mark.slow
def test_a_cap_holds_over_kills_and_resumes(synth) -> None:
    """What the host served for money never passes the cap; the dataset counts as much, or more."""
    moments = random.Random(20261128)
    synth.write("tales.yaml", RECIPE)
    synth.write("synth.toml", PRICE)
    with running(latency_s=0.2, jitter=True, answer="word " * 80) as server:
        line = ["generate", "tales", "--base-url", server.base_url, "--concurrency", "4", "--max-usd", str(CAP)]
        for _ in range(3):
            process = synth.start(*line, env=ENV)
            before, deadline = len(server.ledger()), time.monotonic() + 60
            while len(server.ledger()) < before + 4 and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(moments.uniform(0.0, 0.6))
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        ended = synth(*line, env=ENV, code=5)
        assert "--max-usd" in ended.err
        assert synth(*line, env=ENV, code=5).code == 5, "and again: nothing more is asked"
        paid = server.paid().total() * EACH
        told = synth("status", "tales", "--json").json
        counted = told["spent"]["usd"] + told["spent"]["unconfirmed_usd"]
        assert paid <= counted + 1e-9 <= CAP + 2e-9
        assert paid > 0.5 * CAP, "and it is used"
        bill = told["bill"]
        assert (bill["foreseen"]["calls"], bill["came"]["done"]) == (200, False), "the first bill stands"
        assert bill["came"]["usd"] == pytest.approx(told["spent"]["usd"])
        onward = shlex.split(ended.err.splitlines()[-1])
        assert onward == ["synth", *line[:-2], "--max-usd", f"{2 * CAP:g}"], "the same command under another cap"
        raised = synth(*line[:-1], "5", env=ENV)
        assert server.paid().total() * EACH <= 5
        assert "came" in raised.err


@pytest.mark.slow
def test_what_a_run_costs_lies_in_its_bill_after_twenty_rows(synth) -> None:
    """On several seeds: dollars, tokens and kept rows of stories whose lengths nobody knows before."""
    synth.write("synth.toml", '[prices."story-small"]\ninput = 1\noutput = 10\nbatch = 0.4\n')
    held: list[bool] = []
    with running() as server:
        for seed in range(3):
            name = f"tales{seed}"
            seeded = RECIPE.replace("name: tales", f"name: {name}\nseed: {seed}")
            synth.write(f"{name}.yaml", seeded.replace("max_tokens: 150", "max_tokens: 800"))
            line = [name, "--base-url", server.base_url]
            synth("preview", *line, "-n", "20", "--yes", env=ENV)
            ahead = synth("plan", *line, "--json", env=ENV).json["forecast"]
            assert (ahead["answers"], ahead["judged"], ahead["by"]) == (20, 20, "rules")
            assert ahead["batch_usd"]["middle"] == pytest.approx(0.4 * ahead["usd"]["middle"])
            ran = synth("run", *line, "--yes", env=ENV)
            assert "came" in ran.err
            bill = synth("status", name, "--json").json["bill"]
            assert bill["foreseen"]["usd"] == ahead["usd"], "what plan said is what was written down"
            for what in ("usd", "input_tokens", "output_tokens", "kept"):
                held.append(bill["foreseen"][what]["low"] <= bill["came"][what] <= bill["foreseen"][what]["high"])
    assert sum(held) >= 0.9 * len(held), held
