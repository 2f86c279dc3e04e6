"""A job at a host, by the installed command: killed at every point, nothing is uploaded or created twice."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.conftest import Synth
from tests.servers import Server, running

pytestmark = pytest.mark.forked
KEY = "sk-loopback-e2e-0123456789"
ENV = {"OPENAI_API_KEY": KEY}
STOPS = {"half_upload": "while a file is on its way", "uploaded": "between upload and its answer",
         "create": "between upload and create", "created": "between create and its answer"}

SYNOPSES = """\
synth: 1
name: synopses
source: {{file: "{file}"}}
train: {{user: "Write a synopsis: {{{{name}}}}", assistant: "{{{{text}}}}"}}
curate: [{{length: {{min: 2048, max: 6144, unit: bytes}}}}]
export: {{formats: [openai-chat], validation: 0.1}}
"""


def exported(synth: Synth, rows: int = 24, share: str = "0.2") -> str:
    """A dataset `mine` of so many rows of one's own, in openai-chat."""
    lines = [json.dumps({"messages": [{"role": "user", "content": f"Number {n}?"},
                                      {"role": "assistant", "content": f"It is {n}, and no other. " * 20}]})
             for n in range(rows)]
    synth.write("mine.jsonl", "\n".join(lines) + "\n")
    synth("import", "mine", "mine.jsonl")
    synth("export", "mine", "--format", "openai-chat", "--split", share)
    return "mine"


def command(server: Server, *words: str) -> list[str]:
    return ["finetune", "mine", "--backend", "openai", "--base-url", server.base_url, "--yes", *words]


def record(synth: Synth) -> dict[str, object]:
    (path,) = synth.dataset("mine").glob("finetunes/*/finetune.json")
    value = json.loads(path.read_bytes())
    assert isinstance(value, dict)
    return value


def once(server: Server) -> None:
    """Each file and the one job were made once."""
    files = Counter(made["filename"] for made in server.made("file") if made["purpose"] == "fine-tune")
    assert len(files) == 2
    assert set(files.values()) == {1}
    assert len(server.made("job")) == 1


def killed_at(synth: Synth, server: Server, reached: str) -> None:
    """Runs until the ledger holds an event, then kills without warning."""
    process = synth.start(*command(server), env=ENV)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any(reached in (event.get("at"), event.get("route")) for event in server.ledger()):
            break
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("stop", STOPS)
def test_killed_on_the_way_to_the_job(synth: Synth, stop: str) -> None:
    exported(synth)
    with running(tune={"stop": stop}) as server:
        killed_at(synth, server, stop)
        assert record(synth)["state"] == "running"
        synth(*command(server), env=ENV)
        once(server)
        found = record(synth)
        assert found["state"] == "succeeded"
        assert found["attempt"] == 1
        synth(*command(server), env=ENV)
        once(server)


def test_killed_while_it_follows_again_and_again(synth: Synth) -> None:
    exported(synth)
    with running(tune={"pace_s": 0.4}) as server:
        killed_at(synth, server, "jobs.events")
        for _ in range(2):
            process = synth.start(*command(server), env=ENV)
            before = len(server.ledger())
            while len(server.ledger()) < before + 4 and process.poll() is None:
                time.sleep(0.01)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        done = synth(*command(server, "--json"), env=ENV)
        once(server)
        assert done.json["state"] == "succeeded"
        assert done.json["model"].startswith("ft:")
    (folder,) = synth.dataset("mine").glob("finetunes/*")
    steps = [line["step"] for line in synth.rows(folder / "metrics.jsonl")]
    assert set(steps) == set(range(1, 31))
    shown = synth("models", "mine", "--json").json
    assert [model["now"] for model in shown] == ["succeeded"]


def test_ctrl_c_leaves_the_job_and_says_how_to_come_back(synth: Synth) -> None:
    exported(synth)
    with running(tune={"pace_s": 3}) as server:
        process = synth.start(*command(server), env=ENV)
        while not server.made("job"):
            time.sleep(0.01)
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait() == 130
        said = (synth.folder.parent / f"{synth.folder.name}.log").read_text()
        assert "its host goes on with it" in said
        assert said.splitlines()[-1].startswith("next   synth finetune mine")
        assert "Traceback" not in said
        assert record(synth)["state"] == "running"
        once(server)


def test_no_key_anywhere(synth: Synth) -> None:
    exported(synth)
    with running(key=KEY, tune={"faults": {"jobs.create": ["parameter"]}}) as server:
        failed = synth(*command(server), env=ENV, code=5)
        wrong = synth(*command(server), env={"OPENAI_API_KEY": "sk-another-key-9876543210"}, code=5)
        done = synth(*command(server), env=ENV)
    for ran in (failed, wrong, done):
        assert KEY not in ran.said
        assert "sk-another" not in ran.said
    assert "Incorrect API key provided" in wrong.said
    for name, data in synth.tree(synth.folder).items():
        assert KEY.encode() not in data, name
        assert b"sk-another" not in data, name


def test_a_refused_line_nine_rows_and_a_barred_organisation(synth: Synth) -> None:
    exported(synth)
    with running(tune={"fail": {"code": "invalid_training_file", "param": "training_file",
                                "message": "invalid file format. Line 3 is odd"}}) as server:
        ran = synth(*command(server), env=ENV, code=4)
    line = (synth.dataset("mine") / "exports/openai-chat/train.jsonl").read_text().splitlines()[2]
    assert line[:80] in ran.said
    assert "its row:" in ran.said
    with running(tune={"barred": True}) as server:
        ran = synth(*command(server, "--set", "finetune.n_epochs=1"), env=ENV, code=5)
    for way in ("winding down", "--base HOST:MODEL", "--backend lora", "notebook"):
        assert way in ran.said
    few = synth.folder / "few"
    few.mkdir()
    (few / "nine.jsonl").write_text("".join(
        json.dumps({"messages": [{"role": "user", "content": str(n)}, {"role": "assistant", "content": str(n)}]}) + "\n"
        for n in range(9)))
    synth("import", "nine", "nine.jsonl", cwd=few)
    synth("export", "nine", "--format", "openai-chat", cwd=few)
    with running() as server:
        ran = synth("finetune", "nine", "--backend", "openai", "--base-url", server.base_url, env=ENV, code=4, cwd=few)
        assert "9 rows, and a job needs at least 10" in ran.said
        assert not server.ledger()


@pytest.mark.slow
def test_plots_and_synopses(synth: Synth, shared_data: Path) -> None:
    """The shipped recipe's rehearsal is refused unless allowed; 386 synopses, curated to 169, are tuned on."""
    synth("run", "plots", "--set", "finetune=null", timeout=300)
    synth.write("synopses.yaml", SYNOPSES.format(file=shared_data / "synopses" / "synopses.jsonl"))
    synth("run", "synopses")
    with running(tune={"pace_s": 0.02}) as server:
        words = ["--backend", "openai", "--base-url", server.base_url, "--yes", "--json"]
        refused = synth("finetune", "plots", *words, env=ENV, code=2)
        assert "a rehearsal" in refused.said
        assert not server.made("file")
        plots = synth("finetune", "plots", *words, "--allow-rehearsal", env=ENV).json
        assert plots["data"]["rehearsal"] is True
        synopses = synth("finetune", "synopses", *words, env=ENV).json
        rows = synopses["data"]["train"]["rows"] + synopses["data"]["validation"]["rows"]
        assert rows == 169
        assert synopses["state"] == plots["state"] == "succeeded"
        assert len(server.made("job")) == 2
