"""A tuned model that a host serves, judged there: base and tuned as two models of `transformers serve`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.served import build, environment, serving

ANSWER = " it is done, and all is well."
WHO, WHERE = ("fox", "owl", "hen", "cat", "dog", "bee", "cow", "elk"), ("barn", "pond", "hill", "wood", "lane", "yard")


@pytest.mark.slow
def test_base_and_tuned_model_of_a_real_host_are_judged(synth, tmp_path: Path) -> None:
    base = build(tmp_path)
    env = {key: value for key, value in environment(tmp_path).items() if key.startswith(("OMP", "HF", "TOKENIZERS"))}
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
    with serving(tmp_path) as base_url:
        synth.write("synth.toml", f'[providers.local]\nbase_url = "{base_url}"\n')
        asked = ("evaluate", "echo", "--finetune", "hosted", "--prompts", "6", "--temperature", "0")
        found = synth(*asked, "--json", timeout=240).json
        said = synth("try", "echo", "--prompt", "Tell of a fox in the sea.", "--finetune", "hosted",
                     "--temperature", "0", timeout=120)
    again = synth(*asked)

    assert found["prompts"] == 6
    assert found["models"] == {"base": str(base), "tuned": str(merged), "host": "local", "failed": {}}
    assert [side["tuned"]["text"].strip() for side in found["sides"]] == [ANSWER.strip()] * 6, "as it was tuned"
    assert all(side["base"]["text"].strip() != ANSWER.strip() for side in found["sides"])
    assert (found["base"]["stop_rate"], found["tuned"]["stop_rate"]) == (0, 1)
    assert found["tuned"]["mean_tokens"] > 0, "the host's own usage"
    assert "loss" not in found["changes"], "a chat host does not say how likely an answer is"
    assert ANSWER.strip() in said.said
    assert "made before" in again.said, "with the server gone: nothing is asked again"
