"""`synth doctor`: each gap and each fault is found, its cure is named, no key is shown, nobody is contacted."""

from __future__ import annotations

import json
import os
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from pipeline import doctor
from pipeline.commands import main
from pipeline.doctor import Check, checks
from tests.servers import running

KEY = "sk-planted-7f3a91"


def look(workdir: Path, env: dict[str, str] | None = None, **flags: Any) -> dict[str, Check]:
    online = flags.pop("online", False)
    clean = {"PATH": os.environ["PATH"], **(env or {})}
    return {check.name: check for check in checks(workdir, clean, flags, online=online)}


def test_a_bare_folder_works_and_nobody_is_asked(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_host", lambda *_: pytest.fail("a host was contacted"))
    found = look(workdir)
    assert {name for name, check in found.items() if check.state == "fail"} == set()
    assert list(found) == [
        "python", "synth", "packages", "parquet", "local", "settings", "keys", "model", "tokens", "datasets", "names",
        "recipes",
    ]
    assert "rehearsed" in found["model"].what
    assert list(workdir.iterdir()) == [], "looking leaves nothing behind"


def test_a_key_is_named_and_never_shown(workdir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for words in (["doctor"], ["doctor", "--json"], ["doctor", "--model", "openai:gpt-4.1-mini"]):
        assert main(words) == 0
        captured = capsys.readouterr()
        assert "OPENAI_API_KEY (openai)" in captured.out
        assert KEY not in captured.out + captured.err


@pytest.mark.parametrize("value", [f" {KEY}", f"{KEY}\n", f"'{KEY}'"])
def test_a_key_with_something_around_it(workdir: Path, value: str) -> None:
    check = look(workdir, {"OPENAI_API_KEY": value})["keys"]
    assert check.state == "gap"
    assert KEY not in check.what + check.cure


def test_a_model_without_key_is_broken(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check = look(workdir, model="openai:gpt-4.1-mini")["model"]
    assert (check.state, check.cure) == ("fail", "export OPENAI_API_KEY=...")
    assert main(["doctor", "--model", "openai:gpt-4.1-mini"]) == 1
    assert "fault  model" in capsys.readouterr().err


def test_a_model_of_an_unknown_host(workdir: Path) -> None:
    check = look(workdir, model="opena:gpt-4.1-mini")["model"]
    assert check.state == "fail"
    assert "did you mean 'openai'?" in check.cure


def test_a_model_without_a_known_price(workdir: Path) -> None:
    check = look(workdir, {"OPENAI_API_KEY": KEY}, model="openai:story-small")["model"]
    assert check.state == "gap"
    assert '[prices."story-small"]' in check.cure


def test_a_server_of_ones_own_under_any_name(workdir: Path) -> None:
    found = look(workdir, model="local:mine", base_url="http://localhost:8411/v1")
    assert found["model"].state == "ok"
    assert found["model"].what == ("local:mine at http://localhost:8411/v1; no price: an address on this machine "
                                   "counts as free; not contacted (--online asks it)")


def test_the_variable_that_was_named_for_the_key(workdir: Path) -> None:
    found = look(workdir, {"OPENAI_API_KEY": KEY}, model="openai:gpt-4.1-mini", key_env="BANK_KYE")
    for name, state in (("keys", "gap"), ("model", "fail")):
        assert found[name].state == state
        assert "BANK_KYE is not set" in found[name].what
        assert found[name].cure == "export BANK_KYE=..."


def test_settings_that_cannot_be_read(workdir: Path) -> None:
    (workdir / "synth.toml").write_text("modle = 'x'\n")
    found = look(workdir)
    assert found["settings"].state == "fail"
    assert "did you mean 'model'?" in found["settings"].cure
    assert "keys" not in found


def test_settings_are_named(workdir: Path) -> None:
    (workdir / "synth.toml").write_text("concurrency = 4\n")
    what = look(workdir, {"SYNTH_MAX_USD": "3"})["settings"].what
    assert what == f"{workdir / 'synth.toml'}, SYNTH_MAX_USD"


def test_what_hides_our_package(workdir: Path) -> None:
    (workdir / "pipeline").mkdir()
    assert look(workdir)["names"].state == "ok", "a folder without __init__.py hides nothing"
    (workdir / "pipeline" / "__init__.py").touch()
    check = look(workdir)["names"]
    assert check.state == "gap"
    assert check.cure == f"rename {workdir / 'pipeline'}"


def test_what_hides_hugging_faces_datasets(workdir: Path) -> None:
    (workdir / "datasets.py").touch()
    check = look(workdir)["names"]
    assert "Hugging Face's `datasets`" in check.what
    assert check.cure == f"rename {workdir / 'datasets.py'}"


def test_a_folder_that_cannot_be_written(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.tempfile, "NamedTemporaryFile", refuse)
    check = look(workdir)["datasets"]
    assert check.state == "fail"
    assert "Permission denied" in check.what


@pytest.mark.parametrize(("free", "state"), [(10**7, "fail"), (10**8, "gap"), (10**10, "ok")])
def test_free_space(workdir: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))
    assert look(workdir)["datasets"].state == state


def test_packages_that_are_missing_or_old(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name in ("faker", "torch"):
            raise metadata.PackageNotFoundError(name)
        return "0.1" if name == "orjson" else real(name)

    monkeypatch.setattr(doctor.metadata, "version", version)
    found = look(workdir)
    assert (found["packages"].state, found["packages"].what) == ("fail", "missing: faker; too old: orjson")
    assert found["local"].state == "gap"
    assert "torch" in found["local"].what
    assert found["local"].cure == "pip install 'synth-pipeline[local]'"


def test_looking_imports_nothing_heavy(workdir: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from pipeline.commands import main; main(['doctor', '--json'])\n"
        "heavy = ('torch', 'transformers', 'openai', 'pandas', 'tiktoken')\n"
        "print([m for m in heavy if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"
    assert {check["name"] for check in json.loads(done.stdout)} > {"python", "keys"}


def test_online_asks_the_host(workdir: Path) -> None:
    with running() as server:
        flags = {"online": True, "base_url": server.base_url}
        found = look(workdir, {"OPENAI_API_KEY": KEY}, model="openai:story-small", **flags)
        assert found["openai"].state == "ok", found["openai"]
        assert server.base_url in found["openai"].what
        gone = server.base_url
    found = look(workdir, {"OPENAI_API_KEY": KEY}, model="openai:story-small", online=True, base_url=gone)
    assert found["openai"].state == "fail"
    assert found["openai"].what.count(gone) == 1


def test_an_address_that_is_given_is_asked_once_whatever_keys_are_there(workdir: Path) -> None:
    keys = {"OPENAI_API_KEY": KEY, "GROQ_API_KEY": KEY, "BANK_KEY": KEY}
    with running() as server:
        flags = {"base_url": server.base_url, "key_env": "BANK_KEY"}
        found = look(workdir, keys, online=True, **flags)
        named = look(workdir, keys, online=True, model="openai:gpt-4.1-mini", **flags)
    hosts = {"openai", "groq", "deepseek", "mistral", "together", "openrouter", "fireworks"}
    assert hosts & set(found) == {"openai"}
    assert found["keys"].what.startswith("set: BANK_KEY (whichever host is asked)")
    assert "$0.40 in and $1.60 out" in named["model"].what
    assert "not contacted" not in named["model"].what
