"""The command line as a whole: help, errors, exit codes, what is imported."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from pipeline import __version__, commands
from pipeline.commands import MACHINE_FAULTS, VERBS, main
from pipeline.errors import (
    CapReached,
    DataError,
    MissingExtra,
    ProviderError,
    RecipeError,
    SynthError,
    YieldError,
)
from pipeline.locate import shipped

HEAVY = (
    "openai", "httpx2", "aiohttp", "torch", "transformers", "pandas", "numpy", "pyarrow", "tiktoken", "faker", "rich",
    "jinja2", "yaml", "pydantic", "orjson", "jsonlines",
)


def raises(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    """The exit code of a verb that raises `error`."""

    @click.command("status")
    def broken() -> None:
        raise error

    monkeypatch.setattr(commands.Verbs, "get_command", lambda self, ctx, name: broken)
    return main(["status"])


def test_help_names_every_verb_by_section_and_imports_none_of_them() -> None:
    code = (
        "import sys, json\nfrom pipeline.commands import main\ncode = main(['--help'])\n"
        "print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    exit_code, modules = json.loads(done.stderr)
    assert exit_code == 0
    assert [m for m in modules if m.split(".")[0] in HEAVY] == []
    assert [m for m in modules if m.startswith("pipeline.commands.")] == []
    for section, verbs in VERBS.items():
        assert f"{section}:" in done.stdout
        for verb, line in verbs.items():
            assert f"  {verb.ljust(8)}  {line}" in done.stdout


def test_help_fits_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_every_verb_has_a_file_and_every_file_a_verb() -> None:
    files = {p.stem.rstrip("_") for p in Path(commands.__file__).parent.glob("*.py") if not p.stem.startswith("_")}
    assert files == {verb for verbs in VERBS.values() for verb in verbs}


@pytest.mark.parametrize("verb", [verb for verbs in VERBS.values() for verb in verbs])
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: synth {verb}")
    assert len(shown.splitlines()) > 4


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"synth {__version__}\n"


def test_python_dash_m_and_cli_py_are_the_same_program() -> None:
    root = Path(__file__).parents[2]
    for words in (["-m", "pipeline"], ["cli.py"]):
        done = subprocess.run([sys.executable, *words, "-V"], capture_output=True, text=True, cwd=root, check=True)
        assert done.stdout == f"synth {__version__}\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["plann"], "there is no verb 'plann': did you mean 'plan'?\n       synth --help"),
        (["ls"], "there is no verb 'ls': did you mean 'status'?"),
        (["Validate"], "there is no verb 'Validate': did you mean 'check'?"),
        (["help"], "there is no verb 'help': did you mean '--help'?"),
        (["zzzz"], "there is no verb 'zzzz'\n       synth --help"),
        (["--bad"], "no such option '--bad'.\n       synth --help"),
        (["plugins", "--bad"], "synth plugins --help"),
    ],
)
def test_what_cannot_be_understood_exits_with_2(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert told.lower() in captured.err.lower()


def test_a_name_left_out_is_offered(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan"]) == 2
    offered = "".join(f"       synth plan {name}\n" for name in sorted(shipped()))
    assert "synth plan plots\n" in offered
    assert capsys.readouterr().err == f"error  synth plan needs a NAME\n{offered}"
    (workdir / "mine.yaml").write_text("synth: 1\n")
    assert main(["curate"]) == 2
    assert capsys.readouterr().err == "error  synth curate needs a NAME\n       synth curate mine\n"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (SynthError, 1), (RecipeError, 2), (YieldError, 3), (DataError, 4), (ProviderError, 5), (MissingExtra, 6),
    ],
)
def test_errors_print_their_message_then_the_hint(
    kind: type[SynthError], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert raises(monkeypatch, kind("a.yaml:3: first\na.yaml:4: second", "synth init a\nor so")) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "error  a.yaml:3: first", "       a.yaml:4: second", "       synth init a", "       or so",
    ]


def test_a_reached_cap_names_the_same_command_under_another_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command("status", context_settings={"ignore_unknown_options": True})
    @click.argument("rest", nargs=-1)
    def broken(rest: tuple[str, ...]) -> None:
        raise CapReached("the cap is reached", 4.5)

    monkeypatch.setattr(commands.Verbs, "get_command", lambda self, ctx, name: broken)
    for given in (["--max-usd", "2"], ["--max-usd=2"], []):
        assert main(["status", "my plots", *given, "--yes"]) == 5
        assert capsys.readouterr().err.splitlines() == [
            "error  the cap is reached", "       everything is kept; to go on:",
            "       synth status 'my plots' --yes --max-usd 4.5",
        ]


@pytest.mark.parametrize("fault", sorted(MACHINE_FAULTS))
def test_faults_of_the_machine_are_a_sentence(
    fault: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert raises(monkeypatch, OSError(fault, os.strerror(fault), "datasets/plots/calls")) == 4
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"error  datasets/plots/calls: {os.strerror(fault)}"
    assert second.strip() == MACHINE_FAULTS[fault]


def test_our_own_bugs_show_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        raises(monkeypatch, ZeroDivisionError("ours"))
    with pytest.raises(OSError, match="ours"):
        raises(monkeypatch, OSError(errno.ENOTTY, "ours"))


def test_ctrl_c_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert raises(monkeypatch, KeyboardInterrupt()) == 130
    assert capsys.readouterr().err.strip() == ""


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    code = (
        "import sys, click\nfrom pipeline import commands\n"
        "@click.command('status')\ndef endless():\n    while True: click.echo('x' * 80)\n"
        "commands.Verbs.get_command = lambda *_: endless\nsys.exit(commands.main(['status']))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 141


def test_words_of_other_tools_lead_to_a_verb_that_there_is() -> None:
    verbs = {verb for verbs in VERBS.values() for verb in verbs}
    assert {meant.split()[0] for meant in commands.MEANT.values()} <= {*verbs, "--help"}
    assert not set(commands.MEANT) & verbs


def test_in_one_pipe_the_table_comes_before_the_talk(workdir: Path) -> None:
    (workdir / "rows.jsonl").write_text("".join(json.dumps({"text": f"row {i} of the file"}) + "\n" for i in range(3)))
    assert main(["import", "x", "rows.jsonl", "--completion", "text"]) == 0
    export = "import sys; from pipeline.commands import main; sys.exit(main(['export', 'x']))"
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run([sys.executable, "-c", export], **pipe, text=True, check=True)
    firsts = [line.split()[0] for line in done.stdout.splitlines()]
    assert firsts[0] == "format"
    assert firsts[-1] == "next"
    assert "train.jsonl" in done.stdout.splitlines()[1]
