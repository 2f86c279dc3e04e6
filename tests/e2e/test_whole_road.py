"""`synth run plots`, offline, to a tuned model, a verdict and a report: the same code as the real thing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="the whole road needs the extra [local]")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_from_nothing_to_a_tuned_model_and_a_page(synth, tiny_cache: Path) -> None:
    words = ("run", "plots", "--set", "sample.rows=100", "--set", "finetune.epochs=1")
    env = {"OMP_NUM_THREADS": "1", "SYNTH_CACHE": str(tiny_cache)}
    ran = synth(*words, timeout=800, env=env)

    home = synth.dataset("plots")
    (tuned,) = (home / "finetunes").glob("*/finetune.json")
    record = json.loads(tuned.read_bytes())
    assert record["state"] == "succeeded"
    assert record["data"]["rehearsal"] is True
    assert 0 < record["parameters"]["trainable"] < record["parameters"]["total"]
    assert record["metrics"]["validation_loss"] < record["metrics"]["first_validation_loss"]
    assert (tuned.parent / record["model"] / "adapter_model.safetensors").is_file()

    (judged,) = (home / "evaluations").glob("*/evaluation.json")
    value = json.loads(judged.read_bytes())
    assert value["tuned"]["loss"] < value["base"]["loss"]
    assert value["tuned"]["mean_bytes"] > value["base"]["mean_bytes"], "plots are longer than what the base writes"
    sides = [json.loads(line) for line in (judged.parent / "sides.jsonl").read_bytes().splitlines()]
    assert len(sides) == 5
    assert any(side["base"]["text"] != side["tuned"]["text"] for side in sides)

    page = (home / "report.html").read_text(encoding="utf-8")
    assert "rehears" in page.lower()
    assert ran.err.splitlines()[-1].startswith("next   synth report plots --open")

    again = synth(*words, timeout=100, env=env)
    assert "0 new calls" in again.err
    assert len(list((home / "finetunes").glob("*/finetune.json"))) == 1, "found, not tuned again"
