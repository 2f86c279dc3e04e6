"""Bad input: one clear sentence with file and line, the command that mends it, its exit code, nothing lost."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.made import TALES
from tests.servers import running

pytestmark = pytest.mark.forked
GOOD = TALES + "generate: {max_tokens: 2000}\nexport: {formats: [openai-chat]}\n"
RECIPE, DATA, PROVIDER = 2, 4, 5
KEY = "sk-planted-0123456789abcdefghijklmnopqrstuvwxyz"


def real(base_url: str, *more: str) -> list[str]:
    return ["run", "tales", "--model", "openai:story-small", "--base-url", base_url, "--yes", *more]


def test_no_key(synth) -> None:
    synth.write("tales.yaml", GOOD)
    ran = synth("run", "tales", "--model", "openai:gpt-4.1-mini", "--yes", code=PROVIDER)
    assert "OPENAI_API_KEY" in ran.said
    assert "export OPENAI_API_KEY" in ran.said


def test_a_wrong_key_stops_at_once_and_is_shown_nowhere(synth) -> None:
    synth.write("tales.yaml", GOOD)
    with running(key="another") as server:
        ran = synth(*real(server.base_url), env={"OPENAI_API_KEY": KEY}, code=PROVIDER)
        assert len(server.received()) <= 6, "never retried"
    assert "401" in ran.said or "key" in ran.said
    assert "OPENAI_API_KEY" in ran.said
    assert_nowhere(synth, ran, KEY)


def assert_nowhere(synth, ran, secret: str) -> None:
    """The host echoed the key in its error; no stream and no file of ours holds it, nor most of it."""
    for part in (secret, secret[3:], secret[-24:]):
        assert part not in ran.out + ran.err
        for path, data in synth.tree(synth.folder).items():
            assert part.encode() not in data, path


def test_a_planted_key_is_nowhere_after_a_whole_run(synth) -> None:
    synth.write("tales.yaml", GOOD)
    with running(key=KEY, rates={"rate_limit_ms": 0.2}) as server:
        ran = synth(*real(server.base_url), env={"OPENAI_API_KEY": KEY})
        assert len(synth.rows(synth.dataset("tales") / "samples.jsonl")) == 6
        assert_nowhere(synth, ran, KEY)
        for verb in (["status", "tales"], ["status", "tales", "--json"], ["inspect", "tales"], ["doctor"]):
            assert_nowhere(synth, synth(*verb, env={"OPENAI_API_KEY": KEY}, code=None), KEY)
    dead = synth("run", "tales", "--model", "openai:other", "--base-url", f"http://user:{KEY}@127.0.0.1:9/v1", "--yes",
                 env={"OPENAI_API_KEY": KEY}, code=None, timeout=200)
    assert dead.code != 0
    assert_nowhere(synth, dead, KEY)


def test_exhausted_credit_stops_the_whole_run_and_keeps_everything(synth) -> None:
    synth.write("tales.yaml", GOOD.replace("[Lima, Oslo]", "{numbers: {min: 1, max: 40}}"))
    with running(quota=25, latency_s=0.05) as server:
        ran = synth(*real(server.base_url, "--concurrency", "4"), env={"OPENAI_API_KEY": KEY}, code=PROVIDER)
        asked = len(server.received())
        assert asked <= 25 + 8, "no storm against an empty account"
    assert "credit" in ran.said or "quota" in ran.said
    samples = synth.rows(synth.dataset("tales") / "samples.jsonl")
    assert len(samples) == 25, "everything that was answered is kept"
    with running() as server:
        synth(*real(server.base_url), env={"OPENAI_API_KEY": KEY})
        assert len(server.received()) == 120 - 25, "and never paid again"


def test_a_base_url_that_does_not_answer(synth) -> None:
    synth.write("tales.yaml", GOOD)
    ran = synth(*real("http://127.0.0.1:9/v1"), env={"OPENAI_API_KEY": KEY}, code=PROVIDER, timeout=200)
    assert "127.0.0.1:9" in ran.said
    assert ran.seconds < 60


def test_an_unknown_model(synth) -> None:
    synth.write("tales.yaml", GOOD)
    with running(models=["story-large", "story-small"]) as server:
        args = ["run", "tales", "--model", "openai:story-smal", "--base-url", server.base_url, "--yes"]
        ran = synth(*args, env={"OPENAI_API_KEY": KEY}, code=PROVIDER)
        assert len(server.received()) <= 6
    assert "story-smal" in ran.said
    assert "'story-small'" in ran.said, "did you mean"


def test_an_unknown_provider(synth) -> None:
    synth.write("tales.yaml", GOOD)
    ran = synth("run", "tales", "--model", "opneai:gpt-4.1-mini", "--yes", code=RECIPE)
    assert "'openai'" in ran.said


def test_without_a_terminal_spending_needs_a_cap_or_a_yes(synth) -> None:
    synth.write("tales.yaml", GOOD)
    synth.write("synth.toml", '[prices."story-small"]\ninput = 900\noutput = 900\n')
    with running() as server:
        args = ["run", "tales", "--model", "openai:story-small", "--base-url", server.base_url]
        ran = synth(*args, env={"OPENAI_API_KEY": KEY}, code=None)
        assert ran.code != 0
        assert "--yes" in ran.said
        assert "--max-usd" in ran.said
        assert server.received() == []


def test_a_dataset_in_use_names_who_has_it(synth) -> None:
    synth.write("tales.yaml", GOOD)
    with running(latency_s=30) as server:
        busy = synth.start(*real(server.base_url), env={"OPENAI_API_KEY": KEY})
        try:
            deadline = time.monotonic() + 60
            while not server.received() and time.monotonic() < deadline:
                time.sleep(0.05)
            ran = synth(*real(server.base_url), env={"OPENAI_API_KEY": KEY}, code=DATA)
            assert str(busy.pid) in ran.said
        finally:
            os.killpg(busy.pid, signal.SIGKILL)
            busy.wait()
    with running() as server:
        synth(*real(server.base_url), env={"OPENAI_API_KEY": KEY})


def test_torn_and_corrupt_lines_of_the_dataset_are_named_and_cost_only_themselves(synth) -> None:
    synth.write("tales.yaml", GOOD)
    env = {"OPENAI_API_KEY": KEY}
    with running() as server:
        synth(*real(server.base_url), env=env)
        (journal, *_) = sorted((synth.dataset("tales") / "calls").glob("*.jsonl"))
        lines = journal.read_bytes().splitlines(keepends=True)
        hurt = next(i for i, line in enumerate(lines) if b'"answered"' in line)
        lines[hurt] = lines[hurt].replace(b'"content"', b'"cxntent"', 1)
        journal.write_bytes(b"".join(lines) + b'{"event":"answ')
        for index in (synth.dataset("tales") / "calls").glob("index.sqlite*"):
            index.unlink()
        ran = synth(*real(server.base_url), env=env)
        assert f"{journal.name}:{hurt + 1}" in ran.said, ran.err
        assert len(server.received()) <= 7, "only the damaged answer may be asked for again"
    assert len(synth.rows(synth.dataset("tales") / "samples.jsonl")) == 6


def test_corrupt_lines_of_an_import_are_named_and_the_rest_comes_in(synth) -> None:
    synth.write("rows.jsonl", b'{"prompt": "a", "completion": "b"}\n{"prompt": "a", "compl\n\xff\xfe\n'
                              b'{"prompt": "c", "completion": "d"}')
    ran = synth("import", "mine", "rows.jsonl")
    assert "rows.jsonl:2" in ran.said
    assert "rows.jsonl:3" in ran.said
    assert len(synth.rows(synth.dataset("mine") / "samples.jsonl")) == 2


def test_a_csv_with_a_bom(synth) -> None:
    synth.write("rows.csv", "\ufeffprompt,completion\nWie?,Größe\n".encode())
    synth("import", "mine", "rows.csv", "--prompt", "prompt", "--completion", "completion")
    (sample,) = synth.rows(synth.dataset("mine") / "samples.jsonl")
    assert [m["content"] for m in sample["messages"]] == ["Wie?", "Größe"]


def test_a_csv_in_another_encoding_is_named_with_the_option_that_reads_it(synth) -> None:
    synth.write("rows.csv", "prompt,completion\nWie?,Größe\nNoch,eins\n".encode("cp1252"))
    ran = synth("import", "mine", "rows.csv", "--prompt", "prompt", "--completion", "completion", code=None)
    assert "rows.csv:2" in ran.said
    assert "--encoding" in ran.said
    assert ran.code in (0, DATA)
    synth("import", "again", "rows.csv", "--prompt", "prompt", "--completion", "completion", "--encoding", "cp1252")
    samples = synth.rows(synth.dataset("again") / "samples.jsonl")
    assert [s["messages"][-1]["content"] for s in samples] == ["Größe", "eins"]


@pytest.mark.parametrize(("args", "word"), [
    (["rows.csv", "--completion", "anwser"], "'answer'"),
    (["rows.csv", "--prompt", "{{questoin}}", "--completion", "answer"], "'question'"),
    (["rosw.csv"], "rows.csv"),
    (["empty.jsonl"], "empty.jsonl"),
])
def test_columns_and_files_that_are_not_there(synth, args: list[str], word: str) -> None:
    synth.write("rows.csv", "question,answer\nwhy,because\n")
    synth.write("empty.jsonl", "")
    ran = synth("import", "mine", *args, code=None)
    assert ran.code in (RECIPE, DATA)
    assert word in ran.said


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_loses_nothing(synth, tmp_path: Path) -> None:
    import subprocess

    synth.write("tales.yaml", GOOD.replace("[Lima, Oslo]", "{numbers: {min: 1, max: 600}}"))
    disk = synth.folder / "datasets"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("this machine does not let us mount a small disk")
    try:
        with running() as server:
            env = {"OPENAI_API_KEY": KEY}
            ran = synth(*real(server.base_url), env=env, code=DATA, timeout=200)
            assert "space" in ran.said
            answered = len(server.answered("ok"))
            assert 0 < answered < 1800
            subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
            synth(*real(server.base_url), env=env, timeout=200)
            twice = sum(count - 1 for count in server.paid().values())
            assert twice <= 64, f"{twice} answers were paid for twice: more than what was in flight"
        assert len(synth.rows(synth.dataset("tales") / "samples.jsonl")) == 1800
    finally:
        subprocess.run(["umount", str(disk)], check=True)
