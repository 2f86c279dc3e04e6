"""The four commands of the first Show: real synopses curated by length, and two folders joined by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

RULE = "length: {min: 2048, max: 6144, unit: bytes}"
TEXTS = {
    "b.txt": "plain, no final line break",
    "A.txt": "ends in one\n",
    "a b & c.txt": "CRLF\r\nand a tab\t\r\n",
    "C.txt": "  spaces at both ends  ",
    "ä.txt": "Zürich \u2028 line separator, \x00 no, emoji 🎬, quote \" backslash \\ slash /",
    "_1.txt": "",
    "a10.txt": "ten",
    "a9.txt": "nine",
    "Z.txt": "é composed, e\u0301 not",
}


def test_synopses_curated_by_length_keep_what_their_author_kept(synth, shared_data: Path) -> None:
    file = shared_data / "synopses" / "synopses.jsonl"
    synth("import", "synopses", file, "--completion", "text")
    ran = synth("curate", "synopses", "--rule", RULE, "--json")

    assert (ran.json["kept"], ran.json["dropped"]) == (169, 217)
    assert ran.json["by_rule"] == {"length": 217}
    kept = {row["name"] for row in synth.rows(file) if 2048 <= len(row["text"].encode()) <= 6144}
    states = {v["sample"]: v["state"] for v in synth.rows(synth.dataset("synopses") / "verdicts.jsonl")}
    samples = synth.rows(synth.dataset("synopses") / "samples.jsonl")
    assert {s["fields"]["name"] for s in samples if states[s["id"]] == "kept"} == kept
    assert len(samples) == 386, "nothing is deleted: dropped is a state"


def test_curated_synopses_are_exported(synth, shared_data: Path) -> None:
    file = shared_data / "synopses" / "synopses.jsonl"
    synth("import", "synopses", file, "--completion", "text")
    synth("curate", "synopses", "--rule", RULE)
    synth("export", "synopses", "--format", "prompt-completion", "--split", "none")

    (path,) = synth.exported("synopses", "prompt-completion")
    texts = [row["completion"] for row in synth.rows(path)]
    assert sorted(texts) == sorted(row["text"] for row in synth.rows(file) if 2048 <= len(row["text"].encode()) <= 6144)


@pytest.fixture
def folders(synth) -> dict[str, tuple[str, str]]:
    """prompts/ and completions/ with nine names in common; name -> (prompt, completion)."""
    pairs = {name: (f"Title: {name}\n\nPLOT OUTLINE: ", text) for name, text in TEXTS.items()}
    pairs["_1.txt"] = ("Title: _1.txt", "not empty")
    for name, (prompt, completion) in pairs.items():
        synth.write(f"prompts/{name}", prompt)
        synth.write(f"completions/{name}", completion)
    return pairs


def in_order(order: str, folder: Path, names: list[str]) -> list[str]:
    """The names as the order asks for: `given` is the folder's own listing."""
    if order == "given":
        return [path.name for path in folder.iterdir() if path.name in names]
    if order == "name":
        return sorted(names)
    return sorted(names, key=lambda name: (name.casefold(), name))


@pytest.mark.forked
@pytest.mark.parametrize("order", ["given", "name", "name-ignorecase"])
@pytest.mark.parametrize("escaped", [False, True])
def test_folders_joined_byte_for_byte(synth, folders: dict[str, tuple[str, str]], order: str, escaped: bool) -> None:
    synth("import", "mine", "--prompts", "prompts/", "--completions", "completions/", "--order", order)
    synth("export", "mine", "--format", "prompt-completion", "--split", "none", *["--ascii"] * escaped)

    (path,) = synth.exported("mine", "prompt-completion")
    names = in_order(order, synth.folder / "completions", list(folders))
    want = b"".join(
        json.dumps({"prompt": folders[n][0], "completion": folders[n][1]}, ensure_ascii=escaped).encode() + b"\n"
        for n in names)
    assert path.read_bytes() == want


@pytest.mark.forked
def test_export_keeps_the_order_of_the_import_in_every_format(synth, folders: dict[str, tuple[str, str]]) -> None:
    synth("import", "mine", "--prompts", "prompts/", "--completions", "completions/", "--order", "name-ignorecase")
    synth("export", "mine", "--format", "openai-chat", "--split", "none")
    (path,) = synth.exported("mine", "openai-chat")
    want = [folders[name][1] for name in in_order("name-ignorecase", path, list(folders))]
    assert [row["messages"][-1]["content"] for row in synth.rows(path)] == want


@pytest.mark.forked
def test_a_file_without_its_partner_is_a_problem_not_an_abort(synth, folders: dict[str, tuple[str, str]]) -> None:
    synth.write("prompts/alone.txt", "no completion")
    ran = synth("import", "mine", "--prompts", "prompts/", "--completions", "completions/", "--order", "name")
    assert "alone.txt" in ran.said
    assert len(synth.rows(synth.dataset("mine") / "samples.jsonl")) == len(folders)


@pytest.mark.forked
@pytest.mark.parametrize("rule", ["length: {min: 1 KB}", "length: {min: 1 KB, unit: bytes}", "length: {min: 1k}"])
def test_one_kilobyte_is_refused_with_the_choices(synth, folders: dict[str, tuple[str, str]], rule: str) -> None:
    synth("import", "mine", "--prompts", "prompts/", "--completions", "completions/", "--order", "name")
    ran = synth("curate", "mine", "--rule", rule, code=2)
    for choice in ("1000", "1024", "bytes", "char", "LF", "CRLF"):
        assert choice.casefold() in ran.said.replace(",", "").casefold(), (choice, ran.said)


def test_the_shown_commands_import_again_what_they_exported(synth, folders: dict[str, tuple[str, str]]) -> None:
    synth("import", "mine", "--prompts", "prompts/", "--completions", "completions/", "--order", "name")
    synth("export", "mine", "--format", "prompt-completion", "--split", "none")
    (first,) = synth.exported("mine", "prompt-completion")
    synth("import", "again", first)
    synth("export", "again", "--format", "prompt-completion", "--split", "none")
    (second,) = synth.exported("again", "prompt-completion")
    assert second.read_bytes() == first.read_bytes()
