"""The page as a whole: its story, what is absent, what others wrote, its bytes, its colours."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.curate import curate
from pipeline.export import Options, export
from pipeline.report import write_report
from pipeline.sections import Item
from pipeline.store import Dataset
from pipeline.types import Sample
from tests import made
from tests.render.folders import folder_of
from tests.report import stages
from tests.report.reading import Page, read

Report = Callable[[Path], Page]
STORY = ["road", "coverage", "lengths", "drops", "samples", "cost", "exports", "tuning", "comparison", "next", "recipe"]
LARGEST = 500_000


def test_the_story_in_order_with_every_number_of_the_dataset(plots: Path, report: Report) -> None:
    manifest = json.loads((plots / "exports" / "openai-chat" / "manifest.json").read_bytes())
    train, validation = manifest["files"]
    stages.finetune(plots, sha256=train["sha256"])
    stages.evaluation(plots)
    page = report(plots)
    assert [name for name in page.sections if name] == STORY
    noted = json.loads((plots / "manifest.json").read_bytes())["curation"]
    head = page.sections[""]
    assert f"396 rows rehearsed for a grid of 1,944 cells. {noted['kept']} of them were kept." in head
    assert "This is a rehearsal." in head
    assert "The tuned model is better: held-out loss fell from 5.87 to 3.21" in head
    assert "5.87 → 3.21" in head
    road = page.sections["road"]
    kept = noted["kept"]
    for step in ("Cells 1,944", "Drawn 396", "Answered 396", f"Kept {kept}", f"Exported {kept}", "Tuned 170"):
        assert step in road
    drops = page.sections["drops"]
    for rule, count in noted["by_rule"].items():
        assert re.search(rf"{rule}.*?{count}", drops)
    assert all(file["sha256"] in page.sections["exports"] for file in manifest["files"])
    assert f"{train['rows']} rows to train on and {validation['rows']} to validate with" in page.sections["exports"]
    assert "Validation loss fell from" in page.sections["tuning"]
    assert "147,456 of 1,972,608 are trained, 7%" in page.sections["tuning"]
    assert "80%" in page.sections["comparison"]
    assert "38% to 96%" in page.sections["comparison"]
    assert "by heart" not in page.sections["comparison"], "a metric that was not measured is not listed"
    assert "synth try plots" in page.sections["next"]
    assert "synth plan plots --model openai:gpt-4.1-mini" in page.sections["next"]


def _trained(page: Page) -> list[str]:
    """What stands in marks, a run each."""
    runs = re.findall(r"<mark>(.*?)</mark>", page.source, re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]*>", "", run)) for run in runs]


def test_what_is_trained_of_a_row_is_marked_token_by_token(tmp_path: Path, report: Report) -> None:
    """By the tokenizer and template that the last model was tuned with, which lie beside its adapter."""
    pytest.importorskip("transformers")
    rows = [made.sample(number, f"Act {number} is <b>short</b>, as\nit has to be {'so ' * 40 * number}.")
            for number in (1, 9)]
    path = made.dataset(tmp_path / "datasets" / "tales", rows, curated=False)
    with Dataset.open(path) as dataset:
        dataset.write_verdicts(replace(made.verdict(row), state="kept") for row in rows)
        export(dataset, Options(formats=(Item(name="openai-chat"),), validation=0.0))
    assert "words, not tokens" in report(path).sections["exports"] or "o200k_base" in report(path).sections["exports"]
    template = ("{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{{ eos_token }}{% endfor %}"
                "{% if add_generation_prompt %}<|assistant|>{% endif %}")
    folder_of(stages.finetune(path) / "adapter", template, special=("<s>", "</s>", "<|user|>", "<|assistant|>"))
    page = report(path)
    said = page.sections["exports"]
    assert "What is trained of a row As seen by the tuning of tiny on this machine." in said
    found = _trained(page)
    assert rows[0].answer + "</s>" in found, "a short row is shown whole"
    assert sum(run.startswith("Act 9") or run.endswith("so .</s>") for run in found) == 3, "a long one in two parts"
    assert re.search(r"\d+ more", said)
    assert re.search(r"\d+ of \d+ tokens trained, the stop token with them\. synth inspect tales --mask", said)
    assert '<i class="control">&lt;/s&gt;</i></mark>' in page.source


def test_rows_that_a_format_renders_are_marked_as_it_renders_them(tmp_path: Path, report: Report) -> None:
    rows = [made.sample(number) for number in range(9)]
    path = made.dataset(tmp_path / "datasets" / "tales", rows)
    assert "What is trained" not in report(path).source.partition("</style>")[2], "nothing is exported"
    with Dataset.open(path) as dataset:
        export(dataset, Options(formats=(Item(name="openai-chat"), Item(name="llama2")), validation=0.0))
    page = report(path)
    assert "As seen by llama2 (words, not tokens)." in page.sections["exports"]
    assert all(run.endswith(" </s>") for run in _trained(page))


def test_every_link_leads_to_a_section_and_nothing_leads_away(plots: Path, report: Report) -> None:
    stages.finetune(plots)
    stages.evaluation(plots)
    page = report(plots)
    links = page.values("href")
    assert {link for link in links if not link.startswith("#")} == {"data:,"}
    assert {link[1:] for link in links if link.startswith("#")} <= set(page.ids)
    assert not page.values("src")
    assert "script" not in {tag for tag, _ in page.tags}
    style = page.source.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "http" not in style
    policy = page.named("meta")[1]["content"]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")


def test_who_cannot_see_it_is_told(plots: Path, report: Report) -> None:
    stages.finetune(plots)
    page = report(plots)
    charts = [given for given in page.named("svg") if given.get("class") == "plot"]
    assert len(charts) == 3
    assert all(given["role"] == "img" and len(given["aria-label"]) > 30 for given in charts)
    assert all(given.get("aria-hidden") == "true" for given in page.named("svg") if given.get("class") == "bar")
    labelled = {given["aria-labelledby"] for given in page.named("section")}
    assert labelled <= set(page.ids)
    assert page.named("html")[0]["lang"] == "en"
    assert all(given.get("scope") in ("col", "row") for given in page.named("th"))


def test_a_dataset_without_rows(tmp_path: Path, report: Report) -> None:
    Dataset.create(tmp_path / "empty").close()
    page = report(tmp_path / "empty")
    assert [name for name in page.sections if name] == ["next"]
    assert "No row was made yet." in page.sections[""]
    assert page.sections["next"].startswith("What next synth generate empty")


def test_imported_rows_that_nobody_curated(tmp_path: Path, report: Report) -> None:
    made.dataset(tmp_path / "rows", [made.sample(number) for number in range(12)], curated=False)
    page = report(tmp_path / "rows")
    assert [name for name in page.sections if name] == ["road", "coverage", "lengths", "cost", "next"]
    assert "Nothing was curated yet." in page.sections["coverage"]
    assert "not curated yet" in page.sections["lengths"]
    assert "synth export rows" in page.sections["next"]
    assert "rehearsal" not in page.sections[""]


def test_real_rows_say_what_they_cost(tmp_path: Path, report: Report) -> None:
    rows = [made.sample(number) for number in range(12)]
    page = report(made.dataset(tmp_path / "rows", rows))
    total = sum(made.call(number, row.answer).cost_usd or 0 for number, row in enumerate(rows))
    kept = sum(len(row.answer) >= 400 for row in rows)
    head = page.sections[""]
    assert f"12 rows written by writer-1-2026. {kept} of them were kept at ${total / kept:.2f} each." in head
    assert "This is a rehearsal" not in head
    assert f"Answers ${total:.2f} 12 answers" in page.sections["cost"]
    assert "On dropped rows" in page.sections["cost"]


def test_tuning_that_cost_something_is_in_the_bill(tmp_path: Path, report: Report) -> None:
    rows = [made.sample(number) for number in range(12)]
    path = made.dataset(tmp_path / "rows", rows)
    stages.finetune(path, cost_usd=2.5, earlier_usd=1.0, backend="openai", model="ft:gpt:x", remote={"job": "ftjob-1"})
    stages.finetune(path, name="another", state="running", cost_usd=None, usd_worst=4.0)
    answers = sum(made.call(number, row.answer).cost_usd or 0 for number, row in enumerate(rows))
    page = report(path)
    assert f"Spent ${answers + 7.5:.2f}" in page.sections[""]
    assert "Tuning $7.50 2 models" in page.sections["cost"]
    assert f"${answers + 7.5:.2f} for 12 answers and tuning." in page.sections["cost"]
    assert "Model ft:gpt:x" in page.sections["tuning"]
    assert "Cost $2.50" in page.sections["tuning"]


@pytest.mark.parametrize(("state", "words", "command"), [
    ("running", "is being tuned", "synth inspect plots --sample 5"),
    ("failed", "was to be tuned, and that failed", "synth finetune plots"),
    ("validating_files", "is at the state “validating_files”", "synth plan plots"),
])
def test_a_model_that_is_not_tuned(plots: Path, report: Report, state: str, words: str, command: str) -> None:
    stages.finetune(plots, state=state, problems=[{"message": "loss is not finite", "fix": "a smaller learning_rate"}])
    page = report(plots)
    assert words in page.sections["tuning"]
    assert "loss is not finite: a smaller learning_rate" in page.sections["tuning"]
    assert command in page.sections["next"]
    assert "comparison" not in page.sections


def test_an_older_model_stands_until_a_new_one_has_succeeded(plots: Path, report: Report) -> None:
    stages.finetune(plots)
    stages.finetune(plots, name="zzzzzzzzzz", state="running", created="2026-11-22T00:00:00.000Z")
    page = report(plots)
    assert "was tuned on 170 rows" in page.sections["tuning"]
    assert "All models" in page.sections["tuning"]
    assert "The export has changed since" in page.sections["tuning"], "the sha256 is that of no file that is there"
    assert "synth evaluate plots" in page.sections["next"]


def test_a_verdict_on_an_older_model_says_so(plots: Path, report: Report) -> None:
    stages.finetune(plots)
    stages.evaluation(plots)
    assert "The tuned model is better" in report(plots).sections[""]
    stages.finetune(plots, name="zzzzzzzzzz", finished="2026-11-22T00:00:00.000Z", created="2026-11-22T00:00:00.000Z")
    page = report(plots)
    assert "better" not in page.sections[""]
    assert "zzzzzzzzzz is not judged yet." in page.sections["comparison"]


def test_what_chance_could_do_is_not_called_better(plots: Path, report: Report) -> None:
    stages.finetune(plots)
    stages.evaluation(plots, changes={"loss": {"mean": -0.1, "sure": False, "better_is": "lower"}},
                      verdict="Held-out loss fell from 5.87 to 3.21, which chance could do as well.")
    page = report(plots)
    assert "The tuned model is not clearly different" in page.sections[""]
    assert "which chance could do as well." in page.sections["comparison"]
    assert "could be chance" in page.sections["comparison"]


HOSTILE = {
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>", "style": "</style></p></title><h1>",
    "quote": "\"'><b",
    "control": "a\x00b\x1b[31mc\x07d\x85e", "direction": "user\u202e\u2066txt.exe\u2069\u202c", "hebrew": "שלום עולם",
    "surrogate": "half \ud83d of it", "template": "{{ 7 * 7 }}{% raw %}", "long": "w" * 3_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_others_wrote_does_nothing_to_the_page(tmp_path: Path, report: Report, text: str) -> None:
    rows = [_hostile(number, text) for number in range(12)]
    path = made.dataset(tmp_path / "rows", rows, curated=False)
    with Dataset.open(path) as dataset:
        curate(dataset, [Item(name="length", options={"min": 20, "unit": "bytes"})])
    stages.finetune(path, base=text, problems=[text], settings={text: text}, model=text)
    stages.evaluation(path, verdict=text, notes=[text], decoding={text: text})
    (path / "evaluations" / stages.EVALUATION / "sides.jsonl").write_text(
        json.dumps({"prompt": text, "reference": text, "base": {"text": text}, "tuned": {"text": text}}))
    page = report(path)
    assert not {tag for tag, _ in page.tags} & {"script", "img"}
    assert len(page.named("b")) == page.source.count("<span><b>"), "names of axes stand in <b>, and nothing else does"
    assert len(page.named("h1")) == 1
    assert not [name for _, given in page.tags for name in given if name.startswith("on") or name == "style"]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page.source)
    assert len(page.source.encode()) < LARGEST
    if text in (HOSTILE["hebrew"], HOSTILE["quote"], HOSTILE["template"], HOSTILE["script"]):
        assert text in page.sections["samples"], "it can be read"
    if text == HOSTILE["hebrew"]:
        assert all(given.get("dir") == "auto" for given in page.named("p") if "text" in given.get("class", "").split())


def _hostile(number: int, text: str) -> Sample:
    """A row whose answer, cell, fields and provenance are what somebody else wrote."""
    row = made.sample(number, text * (1 + number % 3))
    cell = {"genre": text if number % 2 else "plain", "year": number}
    provenance = {**row.provenance, "model": text, "finish_reason": text}
    messages = [{"role": "user", "content": text}, *row.messages[1:]]
    return Sample(row.id, messages, cell, {"premise": text}, calls=row.calls, provenance=provenance)


def test_rows_of_a_megabyte_make_no_large_page(tmp_path: Path, report: Report) -> None:
    rows = [made.sample(number, f"{number} " + "word " * 200_000) for number in range(6)]
    page = report(made.dataset(tmp_path / "rows", rows))
    assert "more characters" in page.sections["samples"]
    assert len(page.source.encode()) < LARGEST / 5


def test_the_same_state_gives_the_same_bytes(plots: Path, report: Report, tmp_path: Path) -> None:
    stages.finetune(plots)
    stages.evaluation(plots)
    first = report(plots).source
    elsewhere = Path(shutil.copytree(plots, tmp_path / "elsewhere" / "plots"))
    (elsewhere / "report.html").unlink()
    lines = (elsewhere / "samples.jsonl").read_bytes().splitlines(keepends=True)
    (elsewhere / "samples.jsonl").write_bytes(b"".join(reversed(lines)))
    assert report(plots).source == first
    assert report(elsewhere).source == first, "another place, another order of arrival"
    assert len(first.encode()) < LARGEST
    assert not [left.name for left in plots.iterdir() if left.name.endswith(".part")]


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3), max_leaves=6)
LINES: Any = st.lists(st.dictionaries(st.sampled_from(["step", "train_loss", "validation_loss"]), JSON), max_size=4)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_of_another_version_keeps_no_page_from_being_written(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "rows"
    if not path.exists():
        made.dataset(path, [made.sample(number) for number in range(6)])
        (path / "exports" / "openai-chat").mkdir(parents=True)
    for folder in ("finetunes", "evaluations"):
        shutil.rmtree(path / folder, ignore_errors=True)
    tuned, compared = stages.finetune(path) / "finetune.json", stages.evaluation(path) / "evaluation.json"
    exported = path / "exports" / "openai-chat" / "manifest.json"
    files = [{"name": "train.jsonl", "rows": 6}]
    exported.write_text(json.dumps({"format": "openai-chat", "files": files, "counts": {}}))
    for file in (tuned, compared, exported):
        told = json.loads(file.read_bytes())
        for key in data.draw(st.sets(st.sampled_from(sorted(told)), max_size=3)):
            told[key] = data.draw(JSON)
        file.write_text(json.dumps(told))
    lines = data.draw(LINES)
    (tuned.parent / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 9')
    (compared.parent / "sides.jsonl").write_text("".join(json.dumps(data.draw(JSON)) + "\n" for _ in range(2)))
    with Dataset.open(path) as dataset:
        assert "samples" in read(write_report(dataset)).sections, "the rows are told whatever the rest is"


def test_a_damaged_file_is_named(plots: Path, report: Report) -> None:
    (stages.finetune(plots) / "finetune.json").write_text("{")
    with (plots / "recipe.yaml").open("a") as file:
        file.write("\nunknown: 1\n")
    page = report(plots)
    assert f"finetunes/{stages.FINETUNE}/finetune.json could not be read and is left out." in page.sections[""]
    assert "recipe.yaml could not be read" in page.sections[""]
    assert "tuning" not in page.sections


def _colours(style: str) -> list[dict[str, str]]:
    """The palettes: light, and light overlaid with dark."""
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    light, dark = (dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block)) for block in blocks[:2])
    assert len(light) > 10
    assert set(dark) == set(light)
    return [light, dark]


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_letters_and_lines_can_be_seen_in_light_and_dark(plots: Path, report: Report) -> None:
    for colours in _colours(report(plots).source):
        letters = [("ink", "paper"), ("soft", "paper"), ("ink", "wash"), ("soft", "wash"), ("accent", "paper"),
                   *(("ink", f"h{level}") for level in range(1, 5)), ("high", "h5"), ("high", "h6")]
        for one, other in letters:
            assert _contrast(colours[one], colours[other]) >= 4.5, f"{one} on {other}"
        for one, other in (("curve", "paper"), ("accent", "quiet"), ("accent", "wash"), ("ink", "quiet")):
            assert _contrast(colours[one], colours[other]) >= 3, f"{one} beside {other}"
