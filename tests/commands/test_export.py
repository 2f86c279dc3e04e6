"""`synth export` and `synth check` as they are typed: what is printed where, and with which exit status."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.commands import main
from pipeline.store import Dataset
from pipeline.types import Sample
from tests import made
from tests.servers import running


@pytest.fixture
def tales(workdir: Path) -> Path:
    """30 rows, 3 of them dropped, in 30 cells."""
    return made.dataset(workdir / "datasets" / "tales", [made.sample(i) for i in range(30)])


def test_files_on_stdout_talk_on_stderr(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "tales", "--format", "openai-chat", "--format", "gemma", "--split", "0.2"]) == 0
    shown = capsys.readouterr()
    lines = [line.split() for line in shown.out.splitlines()]
    assert lines[0] == ["format", "file", "rows", "size", "tokens"]
    assert [line[:2] for line in lines[1:]] == [
        ["openai-chat", "train.jsonl"], ["openai-chat", "validation.jsonl"],
        ["gemma", "train.jsonl"], ["gemma", "validation.jsonl"],
    ]
    assert sum(int(line[2]) for line in lines[1:3]) == 27
    assert "left   3 rows: dropped by curation" in shown.err
    assert shown.err.splitlines()[-1] == "next   synth check tales"
    for name in ("train.jsonl", "validation.jsonl", "manifest.json"):
        assert f"wrote  datasets/tales/exports/openai-chat/{name}" in shown.err.splitlines()
        assert (tales / "exports" / "openai-chat" / name).is_file()


def test_the_recipe_says_how_and_options_win(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tales / "recipe.yaml").write_text(
        "synth: 1\nname: tales\naxes: {genre: [a]}\nprompt: '{{genre}}'\ntrain: {user: '{{genre}}'}\n"
        "export: {formats: [alpaca], order: given, validation: 0.5, ascii: true}\n"
    )
    assert main(["export", "tales", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["formats"]
    assert one["format"] == "alpaca"
    assert len(one["files"]) == 2
    assert main(["export", "tales", "--json", "--split", "none", "--set", "export.formats=[sharegpt]"]) == 0
    found = json.loads(capsys.readouterr().out)
    (one,) = found["formats"]
    assert one["format"] == "sharegpt"
    assert [file["rows"] for file in one["files"]] == [27]
    assert found["left_out"] == {"dropped": 3}
    manifest = json.loads((tales / "exports" / "sharegpt" / "manifest.json").read_bytes())
    assert manifest["recipe"]["name"] == "tales"
    assert manifest["options"]["order"] == "given"
    assert manifest["options"]["ascii"] is True


def test_a_rehearsal_says_so(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [replace(made.sample(i), provenance={"rehearsal": True}) for i in range(3, 9)]
    made.dataset(workdir / "datasets" / "demo", rows, curated=False)
    assert main(["export", "demo"]) == 0
    said = capsys.readouterr().err
    assert "rehearsal: no model wrote them" in said
    assert "--model openai:" in said
    assert "not curated yet" in said


def test_elsewhere(tales: Path, workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "tales", "--format", "csv", "--out", "ship"]) == 0
    assert (workdir / "ship" / "csv" / "train.csv").is_file()
    assert not (tales / "exports").exists()
    assert capsys.readouterr().err.splitlines()[-1] == "next   synth check ship/csv/train.csv"
    assert main(["check", "ship/csv/train.csv"]) == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["export", "nothing"], 4, "no dataset"),
        (["export", "tales", "--format", "openai-chatt"], 2, "did you mean 'openai-chat'?"),
        (["export", "tales", "--split", "2"], 2, "--split 0.1"),
        (["export", "tales", "--format", "csv", "--ascii"], 2, "csv has no escapes"),
        (["check", "tales"], 4, "synth export tales"),
        (["check", "train.jsonl"], 4, "no such file"),
        (["check", "here.jsonl", "--for", "lama2"], 2, "did you mean 'llama2'?"),
        (["check", "her.jsonl"], 4, "did you mean 'here.jsonl'?"),
    ],
)
def test_faults(
    tales: Path, workdir: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    (workdir / "here.jsonl").write_text('{"prompt": "p", "completion": "c"}\n')
    assert main(words) == code
    assert said in capsys.readouterr().err


def test_no_kept_row_is_exit_3(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Dataset.open(tales) as dataset:
        dataset.write_verdicts(replace(verdict, state="dropped") for verdict in list(dataset.verdicts()))
    assert main(["export", "tales"]) == 3
    assert "30 dropped by curation" in capsys.readouterr().err


def test_rows_that_no_format_holds_are_exit_4(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [replace(made.sample(i), messages=made.sample(i).messages[1:]) for i in range(3)]
    made.dataset(workdir / "datasets" / "texts", rows, curated=False)
    assert main(["export", "texts"]) == 4
    said = capsys.readouterr().err
    assert "3 x there is no user message" in said
    assert "prompt-completion" in said
    assert main(["export", "texts", "--format", "prompt-completion"]) == 0


def test_a_format_that_holds_no_row_does_not_hide_the_others(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    talk = [{"role": "user", "content": "Where is it?"}, {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "here"}, {"role": "assistant", "content": "It is here."}]
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
    (workdir / "rows.v1.jsonl").write_text(json.dumps({"messages": talk, "tools": tools}) + "\n")
    assert main(["import", "calls", "rows.v1.jsonl"]) == 0
    for given, folder in ((["calls"], "datasets/calls/exports"), (["rows.v1.jsonl"], "rows.v1-exports")):
        capsys.readouterr()
        assert main(["export", *given, "--format", "llama3", "--format", "openai-chat"]) == 4
        shown = capsys.readouterr()
        assert shown.out.splitlines()[1].split()[:3] == ["openai-chat", "train.jsonl", "1"]
        assert f"wrote  {folder}/openai-chat/train.jsonl" in shown.err
        assert "no row could be written as llama3, 1 were refused" in shown.err
        assert f"{folder}/llama3/refused.jsonl" in shown.err
        assert f"{folder}/llama3/train" not in shown.err, "nothing is said to be there that is not"


def test_a_file_that_lacks_most_rows_is_exit_3_and_a_system_text_can_be_folded(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"role": "system", "content": "Be brief."}
    rows = [replace(made.sample(i), messages=[*([said] if i else []), *made.sample(i).messages]) for i in range(5)]
    made.dataset(workdir / "datasets" / "chats", rows, curated=False)
    assert main(["export", "chats", "--format", "prompt-completion", "--order", "given"]) == 3
    told = capsys.readouterr()
    assert "prompt-completion  train.jsonl     1" in told.out, "what it holds is written"
    assert "error  chats: prompt-completion refused 4 of 5 rows" in told.err
    assert "name the format as 'prompt-completion: {system: fold}'" in told.err
    assert main(["export", "chats", "--format", "prompt-completion: {system: fold}", "--order", "given"]) == 0
    lines = (workdir / "datasets/chats/exports/prompt-completion/train.jsonl").read_text().splitlines()
    prompts = [json.loads(line)["prompt"] for line in lines]
    assert prompts[:2] == ["Genre: horror", "Be brief.\n\nGenre: high fantasy"]
    assert main(["export", "chats", "--format", "prompt-completion {system: fold}"]) == 2
    assert "--format 'prompt-completion: {system: fold}'" in capsys.readouterr().err


def labelled(number: int, label: str) -> Sample:
    asked = {"role": "user", "content": f"Ticket {number}"}
    return replace(made.sample(number), cell={}, messages=[asked, {"role": "assistant", "content": label}])


def test_labels_that_are_out_of_balance_are_named(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [labelled(i, "Billing" if i < 3 else "fraud" if i < 6 else "billing") for i in range(206)]
    rows.append(labelled(206, "spam"))
    made.dataset(workdir / "datasets" / "tickets", rows, curated=False)
    assert main(["export", "tickets", "--split", "0.02"]) == 0
    said = capsys.readouterr().err
    assert "note   'billing' and 'Billing' are two classes" in said
    assert "note   few rows of Billing 3, fraud 3, spam 1, where another class has 200" in said
    assert "note   validation has no row of spam (1 in train)" in said
    assert main(["export", "tickets", "--split", "none"]) == 0
    assert "validation has no row" not in capsys.readouterr().err


def test_texts_are_no_labels(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "tales", "--split", "0.1"]) == 0
    assert "no row of" not in capsys.readouterr().err


def test_check_prints_every_fault_with_its_cure(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workdir / "train.jsonl").write_bytes(b'\xef\xbb\xbf{"prompt": "p", "completion": " "}\n\n{"prompt": 3}\n')
    assert main(["check", "train.jsonl"]) == 4
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert [line.split()[:3] for line in lines if not line.startswith(" ")] == [
        ["error", "train.jsonl:1", "bom:"], ["error", "train.jsonl:1", "empty-answer:"],
        ["error", "train.jsonl:2", "blank-line:"], ["error", "train.jsonl:3", "unknown-shape:"],
    ]
    assert sum(line.startswith("        ") for line in lines) == 4
    assert "2 rows of prompt-completion, 4 errors" in shown.err
    assert main(["check", "train.jsonl", "--json"]) == 4
    found = json.loads(capsys.readouterr().out)
    assert [problem["code"] for problem in found["problems"]] == ["bom", "empty-answer", "blank-line", "unknown-shape"]
    assert found["files"][0]["errors"] == 4


def test_check_a_dataset(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "tales", "--split", "0.2"]) == 0
    assert main(["check", "tales"]) == 0
    shown = capsys.readouterr()
    assert "train.jsonl: 22 rows of openai-chat" in shown.err
    assert not any(line.startswith("error") for line in shown.out.splitlines())
    assert shown.err.splitlines()[-1] == "next   synth inspect tales --sample 5"


def test_check_one_export_of_a_dataset_by_format_or_folder(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "tales", "--format", "openai-chat", "--format", "llama2"]) == 0
    capsys.readouterr()
    for words in (["tales", "--for", "llama2"], ["datasets/tales/exports/llama2"]):
        assert main(["check", *words]) == 0
        said = capsys.readouterr().err
        assert "llama2/train.jsonl" in said
        assert "openai-chat" not in said, "the other exports are not held against it"
    assert main(["check", "tales", "--for", "llama-2"]) == 2
    assert "did you mean 'llama2'?" in capsys.readouterr().err
    assert main(["check", "datasets/tales/exports"]) == 0
    said = capsys.readouterr().err
    assert "llama2/train.jsonl" in said
    assert "openai-chat/train.jsonl" in said
    assert main(said.splitlines()[-1].split()[2:]) == 0, "the next command can be typed"
    assert main(["check", "tales", "--for", "gemma"]) == 4
    said = capsys.readouterr().err
    assert "not exported as gemma, but as llama2, openai-chat" in said
    assert "synth export tales --format gemma" in said


def test_what_to_do_after_mending_keeps_who_reads_it(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workdir / "chat.jsonl").write_text('{"messages": []}\n')
    assert main(["check", "chat.jsonl", "--for", "openai"]) == 4
    assert "then: synth check chat.jsonl --for openai" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_a_training_file_in_another_encoding_is_to_be_converted(
    workdir: Path, capsys: pytest.CaptureFixture[str], encoding: str
) -> None:
    (workdir / "old.jsonl").write_bytes('{"prompt": "café?", "completion": "déjà vu à Orléans"}\n'.encode(encoding))
    assert main(["check", "old.jsonl"]) == 4
    shown = capsys.readouterr()
    assert f"iconv -f {encoding} -t utf-8 old.jsonl" in shown.out
    assert "--encoding" not in shown.out + shown.err, "check has no such option"


def test_a_terminal_is_not_flooded(
    workdir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "".join(f'{{"prompt": "{i}", "completion": ""}}\n' for i in range(30))
    (workdir / "train.jsonl").write_text(lines)
    monkeypatch.setattr("pipeline.commands._console.screen", lambda: True)
    assert main(["check", "train.jsonl"]) == 4
    shown = capsys.readouterr()
    assert shown.out.count("empty-answer:") == 5
    assert "and 25 more of empty-answer" in shown.out
    assert "synth check train.jsonl --all" in shown.err
    assert main(["check", "train.jsonl", "--all"]) == 4
    assert capsys.readouterr().out.count("empty-answer:") == 30


def test_the_cure_of_hand_edits_names_the_model_that_nobody_names_now(
    workdir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    (workdir / "tales.yaml").write_text(
        "synth: 1\nname: tales\naxes: {hero: [baker, pilot]}\nprompt: 'A tale of a {{hero}}.'\n"
        "train: {user: '{{hero}}'}\ngenerate: {max_tokens: 2000}\ncurate: [refusal]\n")
    with running() as server:
        where = ["--base-url", server.base_url]
        assert main(["generate", "tales", "--model", "openai:story-small", *where, "--yes"]) == 0
        samples = workdir / "datasets/tales/samples.jsonl"
        samples.write_bytes(b"".join(samples.read_bytes().splitlines(keepends=True)[1:]))
        capsys.readouterr()
        cures = []
        for words in (["curate", "tales"], ["export", "tales"], ["status", "tales"]):
            assert main(words) == 0
            said = capsys.readouterr()
            cures += [line.partition(" keeps that")[0].partition("synth ")[2]
                      for line in (said.out + said.err).splitlines() if " keeps that" in line]
        assert cures == ["generate tales --adopt --model openai:story-small"] * 3
        assert main([*cures[0].split(), *where]) == 0


def test_what_the_recipe_says_about_the_rows(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A licence that is added after the rows were made is in card and manifest; the recipe's digest is as it was."""
    manifest, card = (tales / "exports" / "openai-chat" / name for name in ("manifest.json", "README.md"))
    text = "synth: 1\nname: tales\naxes: {genre: [a]}\nprompt: '{{genre}}'\ntrain: {user: '{{genre}}'}\n"
    (tales / "recipe.yaml").write_text(text)
    assert main(["export", "tales"]) == 0
    before = json.loads(manifest.read_bytes())
    (tales / "recipe.yaml").write_text(f"{text}about: {{license: mit, source: our own}}\n")
    assert main(["export", "tales"]) == 0
    after = json.loads(manifest.read_bytes())
    assert (before["license"], after["license"]) == (None, "mit")
    assert before["recipe"] == after["recipe"]
    assert "Source, as the authors state it: our own" in card.read_text()
    assert main(["export", "tales", "--set", "about.license=cc0-1.0"]) == 0
    assert json.loads(manifest.read_bytes())["license"] == "cc0-1.0"
    card.write_text("mine\n")
    capsys.readouterr()
    assert main(["export", "tales"]) == 0
    said = capsys.readouterr().err
    assert "README.md was written or changed by hand and stays as it is" in said
    assert "wrote  datasets/tales/exports/openai-chat/README.md" not in said


def test_a_manifest_names_the_file_that_rows_came_from(workdir: Path) -> None:
    """With its sha256 where it is still the same file; a changed one is another."""
    rows = workdir / "rows.jsonl"
    rows.write_text("".join(f'{{"prompt": "p{i}", "completion": "c"}}\n' for i in range(4)))
    assert main(["import", "mine", "rows.jsonl"]) == 0
    wanted = hashlib.sha256(rows.read_bytes()).hexdigest()
    manifest = workdir / "datasets" / "mine" / "exports" / "openai-chat" / "manifest.json"
    assert main(["export", "mine", "--format", "openai-chat"]) == 0
    (file,) = json.loads(manifest.read_bytes())["provenance"]["files"]
    assert file == {"name": "rows.jsonl", "sha256": wanted, "rows": 4, "used": "rows"}
    rows.write_text("{}\n")
    assert main(["export", "mine", "--format", "openai-chat"]) == 0
    (file,) = json.loads(manifest.read_bytes())["provenance"]["files"]
    assert file["sha256"] is None


def test_of_several_formats_it_is_said_why_their_tokens_differ(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made.dataset(workdir / "datasets" / "tales", [made.sample(i) for i in range(6)])
    told = "tokens with the markers that each format sets around the same texts\n"
    assert main(["export", "tales", "--format", "openai-chat", "--format", "llama2"]) == 0
    assert capsys.readouterr().err.count(told) == 1
    assert main(["export", "tales", "--format", "llama2"]) == 0
    assert told not in capsys.readouterr().err


def test_the_pair_that_is_most_alike_can_be_looked_at(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared = " ".join(f"shared{n}" for n in range(30))
    rows = [made.sample(i, f"{shared} " + " ".join(f"own{i}x{n}" for n in range(40))) for i in range(12)]
    made.dataset(workdir / "datasets" / "tales", rows)
    assert main(["export", "tales", "--format", "openai-chat", "--split", "0.3"]) == 0
    lines = capsys.readouterr().err.splitlines()
    at = next(at for at, line in enumerate(lines) if "are most alike share" in line)
    looks = lines[at + 1].strip().split("; ")
    assert [look.rpartition(" ")[2] for look in looks] == [
        name[:8] for name in lines[at].rpartition(": ")[2].split(", ")]
    for look in looks:
        assert main(look.split()[1:]) == 0
        assert shared in capsys.readouterr().out
