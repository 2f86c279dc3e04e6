"""Our requests against OpenAI's own description of its API, checked by Prism, which nobody here wrote.

Prism is a program of npm (`npm i -g @stoplight/prism-cli`, or in a folder: `npm i @stoplight/prism-cli`). It is looked
for in the variable PRISM, on PATH, and in node_modules/.bin of the checkout; where it is not found, or the description
is not among the shared inputs, these tests are skipped. It takes about 20 s to read the description, so it is given
the paths that are asked for here, each as it stands there with all that it refers to.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.backends.openai import HostBackend, HostOptions
from pipeline.hosts.access import access
from pipeline.hosts.client import Host, Refused
from pipeline.providers import batch_host
from pipeline.settings import ProviderEntry, Settings
from pipeline.store.batches import Batch
from tests.backends.test_openai import BASE, Told, job

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent.parent
PATHS = ("/batches", "/files", "/fine_tuning", "/models", "/uploads")
ENV = {"OPENAI_API_KEY": "sk-very-secret-key-0123456789"}


def prism() -> str | None:
    """The program; None where it is not here."""
    local = ROOT / "node_modules" / ".bin" / "prism"
    return os.environ.get("PRISM") or shutil.which("prism") or (str(local) if local.exists() else None)


@pytest.fixture(scope="module")
def described(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that answers what conforms to the description, and refuses the rest with 422."""
    program = prism()
    if program is None:
        pytest.skip("Prism is not here: npm i -g @stoplight/prism-cli, or set PRISM")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("prism")
    log, description = home / "log", home / "openapi.json"
    description.write_text(json.dumps(_asked(shared_data / "openai" / "openapi.yaml"), default=str))
    command = [program, "mock", str(description), "-h", "127.0.0.1", "-p", str(port), "--errors"]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 240  # on a machine that may be busy
            while b"Prism is listening" not in log.read_bytes():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _asked(path: Path) -> dict[str, Any]:
    """Of the description the paths of PATHS, and the components that they refer to, themselves or through others."""
    whole: dict[str, Any] = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    paths = {name: path for name, path in whole["paths"].items() if name.startswith(PATHS)}
    parts: dict[str, dict[str, Any]] = {"securitySchemes": whole["components"]["securitySchemes"]}
    waiting = [paths]
    while waiting:
        for kind, name in re.findall(r'"#/components/(\w+)/([^"]+)"', json.dumps(waiting.pop(), default=str)):
            if name not in parts.setdefault(kind, {}):
                parts[kind][name] = whole["components"][kind][name]
                waiting.append(parts[kind][name])
    return {"openapi": whole["openapi"], "info": whole["info"], "servers": whole["servers"],
            "security": whole["security"], "paths": paths, "components": parts}


def backend(where: str) -> HostBackend:
    return HostBackend("openai", Settings(base_url=where, retries=0), ENV, today=lambda: date(2019, 1, 1))


def host(where: str) -> Host:
    return Host(access("openai", ProviderEntry(base_url=where, key_env="OPENAI_API_KEY"), ENV), 10, 0)


@pytest.mark.parametrize("options", [
    {}, {"n_epochs": 3, "batch_size": 256, "learning_rate_multiplier": 0.5, "suffix": "x" * 64},
    {"n_epochs": 50, "batch_size": 1, "learning_rate_multiplier": 2}])
def test_the_road_to_a_job_conforms(described: str, tmp_path: Path, options: dict[str, Any]) -> None:
    mine = job(tmp_path, options=HostOptions(base=BASE, **options), name="a-dataset-of-a-long-name" * 4, seed=2**40)
    assert all(problem.code == "base-ends" for problem in backend(described).problems(mine))
    told = Told()
    done = backend(described).submit(mine, told)
    assert done.remote is not None
    assert done.remote["job"] == "string"
    assert {"uploading", "creating"} <= set(told.states)


def test_all_that_is_asked_of_a_job_conforms(described: str, tmp_path: Path) -> None:
    with host(described) as open_:
        assert open_.get("fine_tuning.jobs.retrieve", "ftjob-1")["object"] == "fine_tuning.job"
        assert open_.get("fine_tuning.jobs.cancel", "ftjob-1")["object"] == "fine_tuning.job"
        for route in ("fine_tuning.jobs.list_events", "fine_tuning.jobs.checkpoints.list"):
            assert list(open_.pages(route, "ftjob-1"))
        assert open_.get("models.list")["object"] == "list"
        large = tmp_path / "large.jsonl"
        large.write_bytes(b'{"messages": []}\n' * 20)
        with pytest.raises(Refused, match="without an id"):  # all three steps pass, and its made-up upload has no file
            open_._upload_large(large, large.name)
    assert [each.id for each in backend(described).jobs(HostOptions(base=BASE))] == ["string"]


def test_the_road_of_a_batch_conforms(described: str, tmp_path: Path) -> None:
    settings = Settings(base_url=described, retries=0)
    path = tmp_path / "batch.jsonl"
    path.write_bytes(b'{"custom_id": "a.0"}\n')
    taker = batch_host("openai", settings, ENV)
    told = taker.submit(Batch("a-batch", "openai", "gpt-4.1-mini", 1, path.stat().st_size, ""), path)
    assert told["id"] == "string"
    batch = Batch("a-batch", "openai", "gpt-4.1-mini", 1, 1, "", remote=told)
    assert taker.look(batch).status
    taker.close()


@pytest.mark.parametrize(("route", "path", "given"), [
    ("batches.create", (), {"input_file_id": "f", "endpoint": "/v1/chat/completions", "completion_window": "3h"}),
    ("fine_tuning.jobs.create", (), {"model": BASE, "training_file": "f", "suffix": "x" * 100}),
    ("fine_tuning.jobs.create", (), {"model": BASE, "training_file": "f", "method": {
        "type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 500}}}}),
    ("fine_tuning.jobs.create", (), {"model": BASE, "training_file": "f", "seed": 2**31}),
    ("uploads.create", (), {"bytes": 1, "filename": "x", "mime_type": "application/jsonl", "purpose": "tune"}),
])
def test_what_does_not_conform_is_refused(
    described: str, route: str, path: tuple[str, ...], given: dict[str, Any]
) -> None:
    """Guards the tests above: a Prism that lets everything pass would prove nothing."""
    with host(described) as open_, pytest.raises(Refused) as caught:
        open_.get(route, *path, **given)
    assert caught.value.failure.status == 422


def test_without_a_key_it_refuses(described: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{described}/fine_tuning/jobs", timeout=10)
    assert caught.value.code == 401
    caught.value.close()
