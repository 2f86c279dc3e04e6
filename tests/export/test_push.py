"""`synth export --push` against a stand-in of the hub: what is sent, what is refused, and that no token is told."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.commands import _console as console
from pipeline.commands import main
from tests import made
from tests.servers.hub import TOKEN, Hub, Repo, hub

pytest.importorskip("huggingface_hub")
PUSH = ["export", "tales", "--push", "me/tales", "--yes"]


@pytest.fixture
def tales(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """30 real rows, and a token in the environment."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return made.dataset(workdir / "datasets" / "tales", [made.sample(i) for i in range(30)])


def at(it: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setenv("HF_ENDPOINT", it.url)
    return it


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Files of 5 kB or more go by LFS, the others with the commit."""
    with hub(lfs_from=5_000) as it:
        yield at(it, monkeypatch)


def test_what_is_there_is_what_was_exported(tales: Path, server: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*PUSH, "--split", "0.2"]) == 0
    said = capsys.readouterr().err
    repo, folder = server.repos["me/tales"], tales / "exports" / "openai-chat"
    assert repo.private
    assert repo.commits == ["22 + 5 rows of tales as openai-chat"]
    assert repo.lfs == {"train.jsonl", "validation.jsonl"}
    sent = {name: data for name, data in repo.files.items() if name != ".gitattributes"}
    assert sent == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(sent) == {"train.jsonl", "validation.jsonl", "README.md", "manifest.json"}
    assert f"push   to {server.url}/datasets/me/tales, a new dataset, private" in said
    assert "files  train.jsonl, validation.jsonl, README.md, manifest.json: " in said
    assert "check the terms of openai" in said
    assert f"sent   {server.url}/datasets/me/tales" in said
    assert said.index("push ") < said.index("sent ")
    assert TOKEN not in said
    assert not any(TOKEN.encode() in path.read_bytes() for path in tales.rglob("*") if path.is_file())
    assert {line.split("/")[1] for line in server.asked} == {"api", "datasets", "lfs"}
    assert not any("harness" in line or "telemetry" in line for line in server.asked)


def test_the_same_again_is_no_commit(tales: Path, server: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(PUSH) == 0
    capsys.readouterr()
    server.asked.clear()
    assert main([*PUSH, "--json"]) == 0
    shown = capsys.readouterr()
    assert len(server.repos["me/tales"].commits) == 1
    assert not any(line.startswith(("PUT", "POST /api/repos")) or "commit" in line for line in server.asked)
    assert "sent   nothing: " in shown.err
    assert json.loads(shown.out)["push"]["changed"] is False


def test_files_that_this_export_lacks_are_taken_away_there(
    tales: Path, server: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*PUSH, "--split", "0.2"]) == 0
    server.repos["me/tales"].files["notes.md"] = b"the user's own"
    assert main([*PUSH, "--split", "none"]) == 0
    assert "gone   validation.jsonl of an earlier push" in capsys.readouterr().err
    assert set(server.repos["me/tales"].files) == {
        ".gitattributes", "notes.md", "train.jsonl", "README.md", "manifest.json"}


def test_a_folder_of_texts_goes_as_files_and_refused_rows_stay(tales: Path, server: Hub) -> None:
    assert main(["export", "tales", "--push", "me/texts", "--yes", "--format", "folders"]) == 0
    names = set(server.repos["me/texts"].files)
    assert sum(name.startswith("train/prompts/") for name in names) == 27
    (tales / "exports" / "openai-chat").mkdir(exist_ok=True)
    (tales / "exports" / "openai-chat" / "secret.txt").write_text("mine")
    assert main(PUSH) == 0
    assert "secret.txt" not in server.repos["me/tales"].files


def test_public_is_said_and_asked_for(tales: Path, server: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*PUSH, "--public"]) == 0
    assert not server.repos["me/tales"].private
    said = capsys.readouterr().err
    assert "public: everybody sees it" in said
    assert "README.md shows the prompts, the recipe with its comments, and one row" in said
    assert main([*PUSH, "--split", "0.2"]) == 2
    assert "is public: everybody would see these rows" in capsys.readouterr().err
    assert len(server.repos["me/tales"].commits) == 1
    server.repos["me/tales"].private = True
    assert main([*PUSH, "--public"]) == 0
    assert "it is private and stays so" in capsys.readouterr().err


def test_rehearsed_rows_go_only_where_that_is_said(
    workdir: Path, server: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    rows = [replace(made.sample(i), provenance={"rehearsal": True}) for i in range(5, 9)]
    made.dataset(workdir / "datasets" / "tales", rows)
    assert main(PUSH) == 2
    assert "these rows are a rehearsal" in capsys.readouterr().err
    assert server.asked == []
    assert main([*PUSH, "--allow-rehearsal"]) == 0
    assert "rehearsal" in server.repos["me/tales"].files["README.md"].decode()


@pytest.mark.parametrize(("words", "said"), [
    (["export", "tales", "--push", "me/tales"], "nobody is here to be asked"),
    (["export", "tales", "--public"], "--public goes with --push"),
    (["export", "tales", "--yes"], "--yes goes with --push"),
    (["export", "tales", "--push", "tales", "--yes"], "OWNER/NAME is wanted"),
    (["export", "tales", "--push", "me/a--b", "--yes"], "OWNER/NAME is wanted"),
    ([*PUSH, "--format", "csv", "--format", "llama2"], "--push puts one format there, and these are 2"),
])
def test_what_cannot_be_meant(
    tales: Path, server: Hub, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err
    assert server.asked == []


@pytest.mark.parametrize("answer", [True, False])
def test_on_a_terminal_it_is_asked(
    tales: Path, server: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: bool
) -> None:
    monkeypatch.setattr(console, "terminal", lambda: True)
    monkeypatch.setattr(console, "confirmed", lambda question: answer)
    assert main(PUSH[:-1]) == (0 if answer else 1)
    assert ("nothing was sent" in capsys.readouterr().err) is not answer
    assert ("me/tales" in server.repos) is answer


@pytest.mark.parametrize(("where", "status", "said", "fix"), [
    ("GET /api/datasets/me/tales", 500, "Internal Error - We're working hard", "the same command again"),
    ("POST /api/repos/create", 403, "You don't have the rights to create a dataset under the namespace me", "may"),
    ("POST /api/repos/create", 402, "Private storage is full", "settings/billing"),
    ("POST /api/validate-yaml", 400, "license must be one of", "the same command again"),
    ("POST /datasets/me/tales.git/info/lfs", 403, "no write access", "settings/tokens"),
    ("PUT /lfs/", 403, "expired", "settings/tokens"),
    ("POST /api/datasets/me/tales/commit", 409, "conflict", "the same command again"),
    ("POST /api/datasets/me/tales/commit", 500, f"we logged {TOKEN}", "the same command again"),
])
def test_refusals_of_the_hub(
    tales: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str, status: int,
    said: str, fix: str,
) -> None:
    with hub(lfs_from=5_000, faults={where: (status, said)}) as it:
        at(it, monkeypatch)
        assert main(PUSH) == 5
        shown = capsys.readouterr().err
        error = shown[shown.index("error  "):]
        assert error.startswith(f"error  {it.url}: ")
        if status != 400:
            assert f"answers {status}: {said.replace(TOKEN, '(token)')}" in error
        assert fix in error
        assert TOKEN not in shown
        assert not any(repo.commits for repo in it.repos.values())
        assert (tales / "exports" / "openai-chat" / "train.jsonl").is_file()


def test_a_repository_that_someone_makes_in_between(
    tales: Path, server: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    server.meanwhile = Repo(private=False)
    assert main(PUSH) == 2  # a private one was agreed to
    assert "is public" in capsys.readouterr().err
    assert server.repos.pop("me/tales").commits == []
    server.meanwhile = Repo(private=True)
    assert main(PUSH) == 0
    assert len(server.repos["me/tales"].commits) == 1


def test_a_token_that_the_hub_does_not_know(
    tales: Path, server: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    assert main(PUSH) == 5
    said = capsys.readouterr().err
    assert f"{server.url}: answers 401: Invalid credentials in Authorization header" in said
    assert "export HF_TOKEN=..." in said
    assert "hf_other" not in said


def test_no_token(
    tales: Path, server: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from huggingface_hub import constants

    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    assert main(PUSH) == 5
    assert "no token: HF_TOKEN is not set" in capsys.readouterr().err
    assert server.asked == []


def test_a_hub_that_does_not_answer(
    tales: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}")
        assert main(PUSH) == 5
    said = capsys.readouterr().err
    assert "does not answer" in said
    assert "HF_ENDPOINT" in said


def test_without_the_package(
    tales: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert main(PUSH) == 6
    assert "pip install 'synth-pipeline[hub]'" in capsys.readouterr().err


def test_a_converted_file_is_pushed_too(tales: Path, workdir: Path, server: Hub) -> None:
    (workdir / "rows.jsonl").write_text('{"prompt": "p", "completion": "c"}\n')
    assert main(["export", "rows.jsonl", "--to", "chatml", "--push", "me/rows", "--yes"]) == 0
    assert json.loads(server.repos["me/rows"].files["train.jsonl"])["text"]


@pytest.mark.parametrize(("setting", "value", "words", "code", "told"), [
    ("HF_TOKEN", None, PUSH, 5, "no token"),
    ("HF_ENDPOINT", "hub.example", PUSH, 5, "HF_ENDPOINT=hub.example: an address begins with https://"),
    ("HF_TOKEN", TOKEN, ["export", "tales", "--push", "tales", "--yes"], 2, "OWNER/NAME is wanted"),
])
def test_nothing_is_written_where_nothing_could_be_sent(
    tales: Path, server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    setting: str, value: str | None, words: list[str], code: int, told: str,
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "no-login"))
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "no-login" / "token"))
    if value is None:
        monkeypatch.delenv(setting)
    else:
        monkeypatch.setenv(setting, value)
    assert main(words) == code
    assert told in capsys.readouterr().err
    assert not list((tales / "exports").glob("*/*"))


def test_a_rehearsal_is_refused_before_it_is_written(
    workdir: Path, server: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    rows = [replace(made.sample(i), provenance={"rehearsal": True}) for i in range(6)]
    path = made.dataset(workdir / "datasets" / "tales", rows, curated=False)
    assert main(PUSH) == 2
    assert "these rows are a rehearsal" in capsys.readouterr().err
    assert not list((path / "exports").glob("*/*"))


def test_after_a_failure_it_is_said_where_the_files_are(
    tales: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    assert main(PUSH) == 5
    said = " ".join(capsys.readouterr().err.split())
    assert "the files are in datasets/tales/exports/openai-chat; nothing was sent" in said
    assert (tales / "exports" / "openai-chat" / "train.jsonl").is_file()


def test_a_config_goes_with_its_rows(tales: Path, server: Hub) -> None:
    assert main([*PUSH, "--config", "axolotl: {base: m}"]) == 0
    sent = server.repos["me/tales"].files
    assert sent["axolotl.yaml"] == (tales / "exports" / "openai-chat" / "axolotl.yaml").read_bytes()


def test_rehearsed_rows_among_real_ones_are_refused_before_a_file_is_written(
    workdir: Path, server: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    rows = [made.sample(i) for i in range(5, 12)]
    rows[3] = replace(rows[3], provenance={"rehearsal": True})
    path = made.dataset(workdir / "datasets" / "tales", rows)
    assert main([*PUSH, "--allow-mixed"]) == 2
    assert "these rows are a rehearsal" in capsys.readouterr().err
    assert not list(path.glob("exports/*/*"))
    assert main(PUSH) == 0, "without them"
    assert "6 rows of tales" in server.repos["me/tales"].commits[0]
    assert main([*PUSH, "--allow-mixed", "--allow-rehearsal"]) == 0
