"""Runs, dialogues and evaluations against a server nobody here wrote: `transformers serve` with tiny models built on
the spot. One server for all of them: it serves any model whose folder a request names."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.served import build, environment, serving

pytestmark = [pytest.mark.slow, pytest.mark.forked]
RECIPE = """\
synth: 1
name: noise
axes: {{who: [fox, owl, hen, cat, dog, bee], where: [barn, pond, hill, wood, lane]}}
prompt: {{user: "Tell of a {{{{who}}}} in the {{{{where}}}}.", salt: true}}
train: {{user: "{{{{who}}}}, {{{{where}}}}"}}
generate: {{model: "local:{model}", max_tokens: 40, temperature: 1.0, seed: 5}}
curate: [{{length: {{min: 1, unit: chars}}}}]
export: {{formats: [openai-chat]}}
"""
DIALOGUE = """\
synth: 1
name: noise
axes: {{who: [fox, owl, hen], where: [barn, pond]}}
dialogue:
  roles:
    guest: {{system: "You are a {{{{who}}}}.", user: "Go."}}
    host: {{system: "Mind the {{{{where}}}}."}}
  turns: 4
train: {{role: host, system: "{{{{where}}}}"}}
generate: {{model: "local:{model}", max_tokens: 60, temperature: 1.0, seed: 5, floor: 0}}
"""
ANSWER = " it is done, and all is well."
WHO, WHERE = ("fox", "owl", "hen", "cat", "dog", "bee", "cow", "elk"), ("barn", "pond", "hill", "wood", "lane", "yard")


class Served(NamedTuple):
    """A running server: its address, a model of chance, one that ends its turns by itself, and where they lie."""

    base_url: str
    model: Path
    brief: Path
    home: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("tiny")
    model = build(home)
    brief = Path(shutil.copytree(model, home / "brief"))
    config = brief / "generation_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "exponential_decay_length_penalty": [4, 2.0]}))
    with serving(home) as base_url:
        yield Served(base_url, model, brief, home)


@pytest.fixture
def at_it(synth, served: Served) -> Served:
    """The server, named in the test's own folder."""
    synth.write("synth.toml", f'[providers.local]\nbase_url = "{served.base_url}"\n')
    return served


def test_a_run_against_transformers_serve(synth, at_it: Served) -> None:
    synth.write("noise.yaml", RECIPE.format(model=at_it.model))
    ran = synth("run", "noise", "--yes", timeout=240)

    samples = synth.rows(synth.dataset("noise") / "samples.jsonl")
    assert len(samples) == 30
    assert not any(s["provenance"].get("rehearsal") for s in samples)
    assert len({s["messages"][-1]["content"] for s in samples}) > 20, "a random model still says different things"
    output = [s["provenance"]["output_tokens"] for s in samples]
    assert all(0 < tokens <= 40 for tokens in output), "max_tokens reached the server"
    (path,) = synth.exported("noise", "openai-chat")
    assert 0 < len(synth.rows(path)) <= 30
    assert "rehears" not in ran.said

    again = synth("run", "noise", "--yes")
    assert "0 new calls" in again.said


def test_a_model_that_the_server_does_not_have_is_one_clear_sentence(synth, at_it: Served) -> None:
    synth.write("noise.yaml", RECIPE.format(model="no/such-model"))
    ran = synth("generate", "noise", "--yes", code=None, env={"SYNTH_RETRIES": "1"})
    assert ran.code in (3, 5)
    assert "no/such-model" in ran.said


def test_a_dialogue_on_transformers_serve(synth, at_it: Served) -> None:
    synth.write("noise.yaml", DIALOGUE.format(model=at_it.brief))
    synth("generate", "noise", "--yes", timeout=240)
    rows = synth.rows(synth.dataset("noise") / "samples.jsonl")
    assert len(rows) == 6
    for row in rows:
        assert [message["role"] for message in row["messages"]] == ["system", "user", "assistant", "user", "assistant"]
        assert row["provenance"]["turns"] == 4
    assert "0 new calls" in synth("generate", "noise", "--yes").said


def test_transformers_serve_fails_each_row_with_its_class(synth, at_it: Served) -> None:
    """A random model answers no JSON: every row is a typed failure with its text, the run exits 3, nothing is lost."""
    synth("init", "extract")
    told = ("--set", "source.rows=3", "--set", "generate.max_tokens=30", "--model", f"local:{at_it.model}", "--yes")
    ran = synth("run", "extract", *told, code=3, timeout=240)
    assert "0 of 3 rows got an answer" in ran.said
    failures = synth.rows(synth.dataset("extract") / "failures.jsonl")
    assert len(failures) == 3
    kinds = {failure["failure"]["kind"] for failure in failures}
    assert kinds <= {"parse", "length"}
    assert all(failure["failure"]["raw"] for failure in failures)
    assert all(failure["usage"]["output_tokens"] for failure in failures)
    again = synth("generate", "extract", *told, code=3)
    assert "0 new calls" in again.said


def test_base_and_tuned_model_of_a_real_host_are_judged(synth, at_it: Served) -> None:
    """Base and tuned as two models of the server."""
    base = at_it.model
    env = {key: value for key, value in environment(at_it.home).items() if key.startswith(("OMP", "HF", "TOKENIZERS"))}
    rows = [[{"role": "user", "content": f"Tell of a {who} in the {where}."}, {"role": "assistant", "content": ANSWER}]
            for who in WHO for where in WHERE]
    synth.write("rows.jsonl", "".join(json.dumps({"messages": row}) + "\n" for row in rows))
    synth("import", "echo", "rows.jsonl")
    synth("export", "echo", "--split", "0.2")
    how = ("--set", "finetune.merge=true", "--set", "finetune.learning_rate=0.01", "--set", "finetune.epochs=24")
    made = synth("finetune", "echo", "--base", base, *how, "--device", "cpu", "--json", env=env, timeout=280).json
    merged = synth.folder / made["folder"] / "merged"
    assert merged.is_dir()

    # the record that a job at this host would have left
    folder = synth.dataset("echo") / "finetunes" / "hosted0001"
    folder.mkdir()
    (folder / "finetune.json").write_text(json.dumps({
        "id": "hosted0001", "backend": "openai", "base": f"local:{base}", "state": "succeeded", "settings": {},
        "created": "2026-11-21T08:00:00Z", "finished": "2026-11-21T08:01:00Z", "model": str(merged),
        "data": made["data"], "remote": {"host": "local", "job": "ftjob-1"}}))
    asked = ("evaluate", "echo", "--finetune", "hosted", "--prompts", "6", "--temperature", "0")
    found = synth(*asked, "--json", timeout=240).json
    said = synth("try", "echo", "--prompt", "Tell of a fox in the sea.", "--finetune", "hosted", "--temperature", "0",
                 timeout=120)
    synth.write("synth.toml", '[providers.local]\nbase_url = "http://127.0.0.1:9/v1"\n')
    again = synth(*asked)

    assert found["prompts"] == 6
    assert found["models"] == {"base": str(base), "tuned": str(merged), "host": "local", "failed": {}}
    assert [side["tuned"]["text"].strip() for side in found["sides"]] == [ANSWER.strip()] * 6, "as it was tuned"
    assert all(side["base"]["text"].strip() != ANSWER.strip() for side in found["sides"])
    assert (found["base"]["stop_rate"], found["tuned"]["stop_rate"]) == (0, 1)
    assert found["tuned"]["mean_tokens"] > 0, "the host's own usage"
    assert "loss" not in found["changes"], "a chat host does not say how likely an answer is"
    assert ANSWER.strip() in said.said
    assert "made before" in again.said, "with nobody at that address: nothing is asked again"
