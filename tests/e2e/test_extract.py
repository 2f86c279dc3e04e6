"""The shipped recipe `extract`: reports to JSON by schema, offline and on a real server."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.servers import running

pytestmark = pytest.mark.forked
KEY = {"OPENAI_API_KEY": "sk-loopback-e2e"}
FACTS = {"date": "2025-01-12", "place": "cold store", "kind": "damage", "injured": 0, "cost_eur": 3420,
         "parts": ["forklift", "gate 3"], "summary": "A forklift tore the frame of a gate."}
REPORTS = 16


@pytest.fixture(scope="module")
def extract(shared_synth):
    """The shipped recipe, run once in an empty folder."""
    return shared_synth("run", "extract", timeout=200)


def test_it_runs_in_an_empty_folder_offline(shared_synth, extract) -> None:
    assert extract.seconds < 60
    assert "rehearsal" in extract.said
    assert "of 16 draws skipped 1 by report|trim|length < 60" in extract.said
    samples = shared_synth.rows(shared_synth.dataset("extract") / "samples.jsonl")
    failures = shared_synth.rows(shared_synth.dataset("extract") / "failures.jsonl")
    assert len(samples) + len(failures) == REPORTS - 1
    assert len(samples) >= 11
    reports = {row["id"]: row["report"] for row in shared_synth.rows(shared_synth.folder / "extract" / "reports.jsonl")}
    for sample in samples:
        assert sample["messages"][1]["content"] == reports[sample["fields"]["id"]], "the report, byte by byte"
        assert set(json.loads(sample["messages"][2]["content"])) == set(FACTS)
        assert json.loads(sample["messages"][2]["content"]) == sample["fields"]["answer"]
        assert len(sample["provenance"]["examples"]["answer"]) == 2
    shown = Counter(ref["number"] for s in samples for ref in s["provenance"]["examples"]["answer"])
    assert set(shown) == {1, 2, 3, 4}, "each of the solved reports comes up"


def test_every_line_of_the_export_is_a_kept_row_and_checks(shared_synth, extract) -> None:
    lines = [row for path in shared_synth.exported("extract", "openai-chat") for row in shared_synth.rows(path)]
    samples = shared_synth.rows(shared_synth.dataset("extract") / "samples.jsonl")
    verdicts = shared_synth.rows(shared_synth.dataset("extract") / "verdicts.jsonl")
    kept = {verdict["sample"] for verdict in verdicts if verdict["state"] == "kept"}
    assert sorted(json.dumps(row["messages"]) for row in lines) == sorted(
        json.dumps(row["messages"]) for row in samples if row["id"] in kept)
    for path in shared_synth.exported("extract", "openai-chat"):
        shared_synth("check", path)
    assert "0 new calls" in shared_synth("run", "extract").said


def test_a_server_that_answers_and_one_that_does_not(synth) -> None:
    """JSON becomes rows; prose becomes failures that say so, each asked about once more and never again."""
    synth("init", "extract")
    told = ("--model", "openai:small", "--yes")
    with running(script={"archive": "There was no fire, and I have little to add.", ".": json.dumps(FACTS)},
                 keep=True) as server:
        ran = synth("run", "extract", *told, "--base-url", server.base_url, env=KEY)
        assert "failed 1 parse" in ran.said
        samples = synth.rows(synth.dataset("extract") / "samples.jsonl")
        assert len(samples) == REPORTS - 2
        assert all(sample["fields"]["answer"] == FACTS for sample in samples)
        (failure,) = synth.rows(synth.dataset("extract") / "failures.jsonl")
        assert failure["failure"]["kind"] == "parse"
        assert failure["failure"]["raw"].startswith("There was no fire")
        assert sum(server.paid().values()) == REPORTS - 2 + 2
        assert "0 new calls" in synth("run", "extract", *told, "--base-url", server.base_url, env=KEY).said
        assert len(server.received()) == REPORTS
        asked = [event["text"] for event in server.received()]
        assert sum("Model: {{ unknown }}, it was there before us." in text for text in asked) == 1, "braces are text"
        assert not any("coffee machine" in text for text in asked), "what is skipped was never sent"


def test_in_batches(synth) -> None:
    synth("init", "extract")
    synth.write("synth.toml", "model = 'openai:small'\n[prices.small]\ninput = 1.0\noutput = 2.0\nbatch = 0.5\n")
    with running(script={".": json.dumps(FACTS)}, batch={"pace_s": 0.00001}) as server:
        synth("generate", "extract", "--batch", "--yes", "--base-url", server.base_url, env=KEY, timeout=200)
        assert len(synth.rows(synth.dataset("extract") / "samples.jsonl")) == REPORTS - 1
        ran = synth("run", "extract", "--yes", "--base-url", server.base_url, env=KEY)
        assert "0 new calls" in ran.said
        assert set(server.paid().values()) == {1}


LONG = 60
"""Real texts that go through the recipe."""


def test_real_texts_pass_through_whole(synth, shared_data: Path) -> None:
    """Synopses and web passages that nobody here wrote, as reports: what is sent and trained on is what they say."""
    import gzip

    lines = (shared_data / "synopses" / "synopses.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines[:LONG]]
    with gzip.open(shared_data / "curation" / "base.jsonl.gz", "rt", encoding="utf-8") as file:
        passages = [row["t"] for row in map(json.loads, file) if row["k"] == "passage"]
    texts += [text for text in passages if "{" in text or "\\" in text][:LONG]
    synth("init", "extract")
    synth.write("real.jsonl", "".join(json.dumps({"report": text}) + "\n" for text in texts))
    with running(script={".": json.dumps(FACTS)}, keep=True) as server:
        synth("generate", "extract", "--set", "source.file=../real.jsonl", "--model", "openai:small", "--yes",
              "--base-url", server.base_url, env=KEY, timeout=200)
        samples = synth.rows(synth.dataset("extract") / "samples.jsonl")
        sent = [event["text"] for event in server.received()]
        long = [text for text in texts if len(text.strip()) >= 60]
        assert Counter(sample["messages"][1]["content"] for sample in samples) == Counter(long)
        assert all(any(f"---\n{text}\n---\nJSON:" in prompt for prompt in sent) for text in long)
