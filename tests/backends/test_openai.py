"""The backend that asks a host, against the loopback server: the whole road, its faults, and nothing made twice."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipeline.backends import Job, TuneProgress, open_backend
from pipeline.backends.openai import HostBackend, HostOptions, upload_name
from pipeline.errors import DataError, ProviderError, RecipeError
from pipeline.hosts import client as _host
from pipeline.hosts.access import access
from pipeline.hosts.client import Host
from pipeline.sections import Finetune
from pipeline.settings import PriceEntry, ProviderEntry, Settings
from tests.servers import Server

KEY = "sk-very-secret-key-0123456789"
BASE = "gpt-4.1-mini-2025-04-14"
TODAY = date(2026, 11, 21)
Start = Callable[..., Server]


def rows(count: int, answer: str = "Answer") -> bytes:
    return b"".join(
        json.dumps({"messages": [{"role": "user", "content": f"Question {number}?"},
                                 {"role": "assistant", "content": f"{answer} {number}"}]}).encode() + b"\n"
        for number in range(count))


def job(folder: Path, *, count: int = 12, **rest: Any) -> Job[HostOptions]:
    folder.mkdir(exist_ok=True)
    (folder / "train.jsonl").write_bytes(rows(count))
    (folder / "validation.jsonl").write_bytes(rows(3, "Held out"))
    known = {"id": "abcdefghij", "folder": folder, "train": folder / "train.jsonl", "name": "plots", "seed": 7,
             "validation": folder / "validation.jsonl", "rehearsal": False,
             "options": HostOptions(base=BASE)}
    return Job(**{**known, **rest})


def backend(server: Server | str, **settings: Any) -> HostBackend:
    where = server if isinstance(server, str) else server.base_url
    known = {"base_url": where, "timeout_s": 2.0, "retries": 3}
    return HostBackend("openai", Settings(**{**known, **settings}), {"OPENAI_API_KEY": KEY}, today=lambda: TODAY,
                       sleep=_sleep)


def _sleep(seconds: float) -> None:
    time.sleep(min(seconds, 0.03))


class Told(list[TuneProgress]):
    """A report that remembers."""

    def __call__(self, progress: TuneProgress) -> None:
        self.append(progress)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [dict(each.logged) for each in self if each.logged is not None]

    @property
    def remote(self) -> dict[str, Any]:
        return dict([each.remote for each in self if each.remote is not None][-1])

    @property
    def states(self) -> list[str]:
        return list(dict.fromkeys(each.state for each in self))


def test_the_whole_road(openai_server: Start, tmp_path: Path) -> None:
    server = openai_server(key=KEY, tune={"paused": True, "extra": True})
    told, mine = Told(), job(tmp_path)
    assert backend(server).problems(mine) == []
    done = backend(server).run(mine, told)
    assert (done.state, done.model) == ("succeeded", f"ft:{BASE}:loopback:plots:0001")
    assert done.cost_usd == pytest.approx(5768 * 5 / 1e6)
    made = [event["filename"] for event in server.made("file")]
    assert made == [upload_name("plots", mine.train), upload_name("plots", mine.validation), "step_metrics.csv"]
    (created,) = server.made("job")
    assert created["request"] == {
        "model": BASE, "training_file": "file-0001", "validation_file": "file-0002", "suffix": "plots", "seed": 7,
        "metadata": {"synth_finetune": "abcdefghij", "synth_attempt": "1", "synth_dataset": "plots"},
        "method": {"type": "supervised", "supervised": {"hyperparameters": {
            "n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}}}}
    assert told.states[0] == "uploading"
    assert {"validating_files", "queued", "running", "succeeded"} <= set(told.states)
    steps: dict[int, dict[str, Any]] = {}
    for line in told.lines:
        steps[line["step"]] = steps.get(line["step"], {}) | line
    assert list(steps) == list(range(1, 31))
    assert steps[30]["validation_loss"] == pytest.approx(2.5 * 0.93**30 * 1.1, abs=1e-3)
    assert steps[30]["epoch"] == 3.0
    assert "at" in next(line for line in told.lines if line["step"] == 30)
    assert any("Moderation" in each.message for each in told)
    remote = done.remote
    assert remote is not None
    assert remote == told.remote
    assert (remote["host"], remote["base_url"], remote["job"]) == ("openai", server.base_url, "ftjob-0001")
    assert remote["files"] == {"train": "file-0001", "validation": "file-0002"}
    assert [mark["step"] for mark in remote["checkpoints"]] == [10, 20, 30]
    assert remote["trained_tokens"] == 5768
    assert KEY not in repr((told, done))


def test_run_again_it_finds_what_it_made(openai_server: Start, tmp_path: Path) -> None:
    """Whatever was on disk when it was killed: nothing at all, the files, the job, half of the events."""
    server = openai_server()
    told, mine = Told(), job(tmp_path)
    first = backend(server).run(mine, told)
    noted = [each.remote for each in told if each.remote is not None]
    for remote in [{}, *noted]:
        again = Told()
        done = backend(server).run(replace(mine, remote=remote), again)
        assert (done.model, done.remote) == (first.model, first.remote)
        assert {line["step"] for line in [*told.lines, *again.lines]} == set(range(1, 31))
    assert len(server.made("job")) == 1
    assert len(server.made("file")) == 3
    assert again.lines[0]["step"] == 1, "the result file gives them all again"
    assert all("at" not in line for line in again.lines), "and no event was read twice"


@pytest.mark.parametrize("route", ["files.create", "jobs.create"])
@pytest.mark.parametrize("fault", ["lost", "server_500", "overloaded", "bad_gateway", "rate_limit_ms", "reset"])
def test_an_answer_that_is_lost_doubles_nothing(openai_server: Start, tmp_path: Path, route: str, fault: str) -> None:
    server = openai_server(tune={"faults": {route: [fault, fault]}, "pace_s": 0.01, "steps": 3})
    assert backend(server).run(job(tmp_path), Told()).state == "succeeded"
    assert len(server.made("job")) == 1
    assert len(server.made("file")) == 3


def test_faults_while_it_follows_are_waited_out(openai_server: Start, tmp_path: Path) -> None:
    faults = {route: ["server_500", "reset", "rate_limit_ms"] for route in (
        "files.list", "jobs.list", "jobs.retrieve", "jobs.events", "jobs.checkpoints", "files.content")}
    server = openai_server(tune={"faults": faults})
    told = Told()
    assert backend(server).run(job(tmp_path), told).state == "succeeded"
    assert {line["step"] for line in told.lines} == set(range(1, 31))


def test_a_host_that_stays_away_is_named_and_the_job_found_later(openai_server: Start, tmp_path: Path) -> None:
    server = openai_server(tune={"faults": {"jobs.retrieve": ["server_500"] * 4}})
    told, mine = Told(), job(tmp_path)
    with pytest.raises(ProviderError, match="openai: The server had an error"):
        backend(server).run(mine, told)
    assert backend(server).run(replace(mine, remote=told.remote), told).state == "succeeded"
    assert len(server.made("job")) == 1


def test_a_later_attempt_makes_another_job(openai_server: Start, tmp_path: Path) -> None:
    server = openai_server(tune={"pace_s": 0.01, "steps": 3})
    backend(server).run(job(tmp_path), Told())
    backend(server).run(job(tmp_path, attempt=2), Told())
    backend(server).run(job(tmp_path, attempt=2), Told())
    assert [made["request"]["metadata"]["synth_attempt"] for made in server.made("job")] == ["1", "2"]
    assert len([made for made in server.made("file") if made["purpose"] == "fine-tune"]) == 2


def test_a_host_that_keeps_no_metadata(openai_server: Start, tmp_path: Path) -> None:
    server = openai_server(tune={"metadata": False, "faults": {"jobs.create": ["lost"]}})
    assert backend(server).run(job(tmp_path), Told()).state == "succeeded"
    assert len(server.made("job")) == 1


@pytest.mark.parametrize("tune", [{"messages": True}, {"result": "base64"}, {"result": "none"}])
def test_older_hosts(openai_server: Start, tmp_path: Path, tune: dict[str, Any]) -> None:
    told = Told()
    assert backend(openai_server(tune=tune)).run(job(tmp_path), told).state == "succeeded"
    assert {line["step"] for line in told.lines} == set(range(1, 31))
    assert next(line for line in told.lines if line["step"] == 10)["validation_loss"] > 0


def test_submit_leaves_the_job_alone(openai_server: Start, tmp_path: Path) -> None:
    server = openai_server(tune={"pace_s": 5})
    told, mine = Told(), job(tmp_path)
    done = backend(server).submit(mine, told)
    assert (done.state, done.model, done.cost_usd) == ("validating_files", None, None)
    (listed,) = backend(server).jobs(mine.options)
    assert (listed.id, listed.finetune, listed.dataset, listed.base) == ("ftjob-0001", mine.id, "plots", BASE)
    assert listed.created.startswith("20")
    assert backend(server).cancel(mine.options, listed.id) == "cancelled"
    ended = backend(server).run(replace(mine, remote=told.remote), told)
    assert (ended.state, ended.cost_usd) == ("cancelled", None)


def test_a_job_that_its_host_does_not_know(openai_server: Start, tmp_path: Path) -> None:
    """Never made again by itself: it may be paid for at another address."""
    server = openai_server()
    mine = job(tmp_path, remote={"job": "ftjob-0009", "base_url": "http://127.0.0.1:9/v1"})
    with pytest.raises(ProviderError, match="knows no job ftjob-0009") as caught:
        backend(server).run(mine, Told())
    assert caught.value.hint.startswith("--base-url http://127.0.0.1:9/v1")
    assert f"rm -r {mine.folder}" in caught.value.hint
    assert not server.made("job")


def test_a_line_that_the_host_refuses_is_named(openai_server: Start, tmp_path: Path) -> None:
    server = openai_server()
    mine = job(tmp_path)
    bad = rows(12).replace(b"Answer 7", b"<|fim_suffix|>")
    mine.train.write_bytes(bad)
    done = backend(server).run(mine, Told())
    assert (done.state, done.model, done.cost_usd) == ("failed", None, 0.0)
    (problem,) = done.problems
    assert (problem.code, problem.where) == ("invalid_training_file", f"{mine.train}:8")
    assert "Example 8 message contains an invalid token: <|fim_suffix|>" in problem.message


@pytest.mark.parametrize(("message", "param", "where"), [
    ("Example 7 message contains an invalid token: <|fim_suffix|>", "training_file", "train.jsonl:8"),
    ("Example 8 message contains an invalid token: <|fim_suffix|>", "training_file", "train.jsonl:8"),
    ("line 2 is bad", "validation_file", "validation.jsonl:2"), ("line 99 is bad", "training_file", "job"),
    ("The job failed due to an internal error", None, "job")])
def test_lines_from_0_from_1_and_of_either_file(
    openai_server: Start, tmp_path: Path, message: str, param: str | None, where: str
) -> None:
    server = openai_server(tune={"fail": {"code": "server_error", "message": message, "param": param}})
    mine = job(tmp_path)
    mine.train.write_bytes(rows(12).replace(b"Answer 7", b"<|fim_suffix|>"))
    (problem,) = backend(server).run(mine, Told()).problems
    assert problem.where == ("ftjob-0001" if where == "job" else f"{tmp_path}/{where}")
    assert problem.message == message


def test_a_file_that_is_refused_at_once(openai_server: Start, tmp_path: Path) -> None:
    server = openai_server()
    mine = job(tmp_path)
    mine.train.write_bytes(rows(12) + b"[1]\n")
    done = backend(server).run(mine, Told())
    assert done.state == "failed"
    assert done.problems[0].where == f"{mine.train}:13"
    assert not server.made("job")


def test_a_barred_organisation_gets_three_ways_on(openai_server: Start, tmp_path: Path) -> None:
    server = openai_server(tune={"barred": True})
    with pytest.raises(ProviderError) as caught:
        backend(server).run(job(tmp_path), Told())
    assert "winding down" in caught.value.message
    for way in ("--backend openai --base HOST:MODEL", "--backend lora", "notebook"):
        assert way in caught.value.hint
    assert len([event for event in server.received() if event["route"] == "jobs.create"]) == 1, "asked once"


def test_openai_is_refused_after_its_last_day(tmp_path: Path) -> None:
    """No connection is opened: the name would not resolve here, and the test would fail."""
    mine = job(tmp_path)
    late = HostBackend("openai", Settings(), {"OPENAI_API_KEY": KEY}, today=lambda: date(2027, 1, 6))
    (problem,) = late.problems(mine)
    assert (problem.severity, problem.code) == ("error", "tuning-ended")
    assert "2027-01-06" in problem.message
    assert problem.fix.count("\n") == 2


@pytest.mark.parametrize(("off", "code", "severity"), [
    ("2026-10-23", "base-gone", "error"), ("2026-12-24", "base-ends", "warning"), ("2028-01-01", None, None),
    ("soon", None, None)])
def test_a_base_that_is_switched_off(
    openai_server: Start, tmp_path: Path, off: str, code: str | None, severity: str | None
) -> None:
    found = backend(openai_server(tune={"shutdown": {BASE: off}})).problems(job(tmp_path))
    assert [(problem.code, problem.severity) for problem in found] == ([(code, severity)] if code else [])


def test_an_unknown_base_and_a_host_without_models(openai_server: Start, tmp_path: Path) -> None:
    server = openai_server(models=["gpt-4.1-mini-2025-04-14"], tune={"unknown": ["gpt-4.1-mini-2025-04-15"]})
    other = HostOptions(base="gpt-4.1-mini-2025-04-15")
    (problem,) = backend(server).problems(replace(job(tmp_path), options=other))
    assert (problem.code, problem.fix) == ("unknown-base", "did you mean 'gpt-4.1-mini-2025-04-14'?")
    nowhere = openai_server(tune={"faults": {"models.retrieve": ["model"]}})
    assert [each.code for each in backend(nowhere).problems(job(tmp_path))] == ["unknown-base"]


def test_the_bill(tmp_path: Path) -> None:
    mine = job(tmp_path, count=40)
    bill = backend("http://localhost:9/v1").bill(mine)
    assert bill is not None
    assert bill.epochs == 3
    assert bill.usd_expected is not None
    assert bill.usd_worst is not None
    assert 0 < bill.usd_expected <= bill.usd_worst < 0.1
    assert bill.usd_expected == pytest.approx(bill.tokens * 5 / 1e6)
    assert "2026-05" in bill.note
    six = backend("http://localhost:9/v1").bill(replace(mine, options=HostOptions(base=BASE, n_epochs=6)))
    assert six is not None
    assert six.tokens == 2 * bill.tokens
    other = Settings(providers={"own": ProviderEntry(base_url="http://far.invalid/v1"),
                                "here": ProviderEntry(base_url="http://localhost:9/v1")},
                     prices={"own:m": PriceEntry(input=0, output=0, training=2.0)})
    theirs = HostBackend("openai", other, {})
    priced = theirs.bill(replace(mine, options=HostOptions(base="own:m", n_epochs=1)))
    assert priced is not None
    assert priced.usd_expected == pytest.approx(priced.tokens * 2 / 1e6)
    unknown = theirs.bill(replace(mine, options=HostOptions(base="own:n")))
    assert unknown is not None
    assert unknown.usd_expected is unknown.usd_worst is None
    free = theirs.bill(replace(mine, options=HostOptions(base="here:n")))
    assert free is not None
    assert free.usd_worst == 0


def test_rows_that_would_be_cut_are_refused(openai_server: Start, tmp_path: Path) -> None:
    mine = job(tmp_path)
    mine.train.write_bytes(rows(12) + rows(1, "long " * 70_000))
    (problem,) = backend(openai_server()).problems(mine)
    assert problem.severity == "error"
    assert problem.where == f"{mine.train}:13"
    assert "65,536" in problem.message
    mine.train.write_bytes(rows(3) + b'{"text": "x"}\n')
    with pytest.raises(DataError, match=r"train\.jsonl:4: not a line"):
        backend(openai_server()).problems(mine)


@pytest.mark.parametrize(("server", "words"), [
    ({"key": "another"}, "OPENAI_API_KEY"), ({"tune": {"faults": {"files.list": ["quota"]}}}, "add credit"),
    ({"tune": {"faults": {"files.list": ["forbidden"]}}}, "not supported")])
def test_what_is_not_tried_again(openai_server: Start, tmp_path: Path, server: dict[str, Any], words: str) -> None:
    running = openai_server(**server)
    with pytest.raises(ProviderError) as caught:
        backend(running).run(job(tmp_path), Told())
    assert words in str(caught.value)
    assert KEY not in str(caught.value)
    assert len(running.received()) <= 2


def test_no_key_no_host_no_json(openai_server: Start, tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="OPENAI_API_KEY is not set"):
        HostBackend("openai", Settings(base_url="http://example.invalid/v1"), {}).run(job(tmp_path), Told())
    with pytest.raises(ProviderError) as caught:
        backend("http://127.0.0.1:9/v1").run(job(tmp_path), Told())
    assert "--base-url" in caught.value.hint
    server = openai_server()
    with pytest.raises(ProviderError, match="Unknown request URL"):
        backend(f"{server.root}/v2").run(job(tmp_path), Told())


def test_only_our_headers_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the package's account of this machine, of the environment's organisation, or of another key."""
    monkeypatch.setenv("OPENAI_ORG_ID", "org-elsewhere")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-elsewhere")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Else: where")
    seen: list[dict[str, str]] = []

    class Mirror(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"object": "list", "data": []}')

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Mirror) as mirror:
        threading.Thread(target=mirror.serve_forever, daemon=True).start()
        where = f"http://127.0.0.1:{mirror.server_port}/v1"
        for entry in (ProviderEntry(base_url=where, key_env="K", headers={"x-own": "1"}),
                      ProviderEntry(base_url=where, headers={"Authorization": "Basic ${K}"}),
                      ProviderEntry(base_url=where),
                      ProviderEntry(base_url=where.replace("//", "//me:word@"))):
            with Host(access("own", entry, {"K": KEY}), 1, 0) as host:
                host.get("models.list")
        mirror.shutdown()
    assert [headers.get("authorization") for headers in seen] == [
        f"Bearer {KEY}", f"Basic {KEY}", None, "Basic bWU6d29yZA=="]
    assert seen[0]["x-own"] == "1"
    for headers in seen:
        ours = {"authorization", "x-own", "user-agent"}
        assert set(headers) - ours == {"accept", "accept-encoding", "connection", "host"}
        assert headers["user-agent"].startswith("synth-pipeline/")
        assert "elsewhere" not in str(headers)


def test_large_files_go_in_parts(openai_server: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_host, "LARGE", 300)
    monkeypatch.setattr(_host, "PART", 400)
    server = openai_server(tune={"faults": {"uploads.complete": ["lost"]}, "pace_s": 0.01, "steps": 3})
    mine = job(tmp_path)
    assert backend(server).run(mine, Told()).state == "succeeded"
    assert len(server.made("upload")) == 2
    files = {made["filename"]: made["bytes"] for made in server.made("file") if made["purpose"] == "fine-tune"}
    assert files == {upload_name("plots", path): path.stat().st_size for path in (mine.train, mine.validation) if path}


def test_options_are_checked_with_their_lines() -> None:
    def opened(**given: Any) -> HostOptions:
        found = open_backend(Finetune(backend="openai", **given), Settings(), {}, lambda key: f"plots.yaml:{key}")[1]
        assert isinstance(found, HostOptions)
        return found

    assert opened().base == "gpt-4.1-mini-2025-04-14"
    assert opened(n_epochs=3, suffix="mine").n_epochs == 3
    with pytest.raises(RecipeError) as caught:
        opened(epochs=3, suffix="x" * 65, batch_size=0)
    lines = caught.value.message.split("\n")
    assert any(line.startswith("plots.yaml:epochs: openai: unknown option 'epochs'") for line in lines)
    assert any(line.startswith("plots.yaml:suffix: openai: suffix") for line in lines)
    assert any(line.startswith("plots.yaml:batch_size: openai: batch_size") for line in lines)
    assert caught.value.hint == "did you mean 'n_epochs'?"
    with pytest.raises(RecipeError, match=r"plots\.yaml:backend: unknown backend 'opanai'"):
        open_backend(Finetune(backend="opanai"), Settings(), {}, lambda key: f"plots.yaml:{key}")
