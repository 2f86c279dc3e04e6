"""`--keep 200`: on until 200 rows pass curation; what it says, what it asks, and how it ends."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from pipeline.commands import main
from pipeline.store import Dataset
from tests.servers import Server, running

RECIPE = """\
synth: 1
name: tales
axes: {hero: [baker, pilot, nurse, judge], place: [Lima, Oslo, Cairo]}
prompt: {user: "A tale of a {{hero}} in {{place}}.", salt: true}
train: {user: "{{hero}} in {{place}}", assistant: "{{answer}}"}
generate: {max_tokens: 400}
curate: [{length: {min: 1000, unit: bytes}}, exact_duplicate]
"""


def real(server: Server, *more: str) -> list[str]:
    return ["--model", "openai:gpt-4.1-mini", "--base-url", server.base_url, "--yes", *more]


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return " ".join(re.sub(r"\s+", " ", captured.out + captured.err).split())


def kept(folder: Path, name: str = "tales") -> list:
    """The rows that are kept, with their cells."""
    from pipeline.rows import read

    with Dataset.open(folder / "datasets" / name) as dataset:
        return [row.sample for row in read(dataset) if row.state == "kept"]


def asked(folder: Path, name: str = "tales") -> int:
    with Dataset.open(folder / "datasets" / name) as dataset:
        return dataset.calls.spent().answered


def test_on_until_so_many_are_kept_each_cell_its_share(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "tales", "--keep", "60"]) == 0
    told = said(capsys)
    assert "keep 0 of 60 rows, about 86 rows more (a guess: 70% are kept)" in told
    assert re.search(r"kept \d+ of 60 after 50 rows more", told)
    assert re.search(r"kept 6\d of 60 wanted, \d\d% of \d+ rows", told)
    assert "next synth export tales" in told
    rows = kept(tales)
    assert 60 <= len(rows) <= 63
    by_cell = Counter((row.cell["hero"], row.cell["place"]) for row in rows)
    assert len(by_cell) == 12
    assert max(by_cell.values()) - min(by_cell.values()) <= 3
    first = asked(tales)
    before = (tales / "datasets" / "tales" / "samples.jsonl").read_bytes()

    assert main(["generate", "tales", "--keep", "60"]) == 0
    assert "bill 0 new calls" in said(capsys)
    assert asked(tales) == first
    assert (tales / "datasets" / "tales" / "samples.jsonl").read_bytes() == before
    assert main(["generate", "tales", "--keep", "80"]) == 0
    assert 80 <= len(kept(tales)) <= 83
    assert asked(tales) - first < 3 * 20
    assert main(["generate", "tales"]) == 0, "the recipe alone wants 12 rows: the others stay"
    assert main(["curate", "tales"]) == 0
    assert len(kept(tales)) >= 80
    assert main(["export", "tales"]) == 0


def test_the_recipe_can_say_it_and_the_whole_road_goes_on(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tales / "tales.yaml").write_text(RECIPE + "sample: {keep: 30}\n")
    assert main(["run", "tales", "--no-tune"]) == 0
    told = said(capsys)
    assert re.search(r"kept 3\d of \d+", told)
    assert "train.jsonl" in told
    assert 30 <= len(kept(tales)) <= 33
    count = asked(tales)
    assert main(["run", "tales", "--no-tune", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert list(value) == ["keep", "generate", "curate", "export"]
    assert value["keep"]["goal"] == 30
    assert value["keep"]["kept"] == value["curate"]["kept"]
    assert asked(tales) == count
    assert main(["run", "tales", "--no-tune", "--keep", "40"]) == 0, "the flag wins"
    assert len(kept(tales)) >= 40


def test_a_plan_says_what_it_will_take(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "tales", "--keep", "70"]) == 0
    told = said(capsys)
    assert "keep 0 of 70 rows, about 100 rows more (a guess: 70% are kept)" in told
    assert "bill 100 new calls" in told
    assert main(["generate", "tales", "--keep", "40"]) == 0
    capsys.readouterr()
    assert main(["plan", "tales", "--keep", "80", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    share = value["keep"]["share"]
    assert value["new_calls"] == value["keep"]["more"] == pytest.approx(40 / share, rel=0.15)
    assert value["keep"]["measured"]
    before = asked(tales)
    assert main(["generate", "tales", "--keep", "80"]) == 0
    assert asked(tales) - before == pytest.approx(value["new_calls"], rel=0.4)


def test_a_preview_is_the_beginning_of_it(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tales / "tales.yaml").write_text(RECIPE + "sample: {keep: 30}\n")
    assert main(["preview", "tales", "-n", "3"]) == 0
    assert "rows 3 of 3, 3 new" in said(capsys)
    assert main(["preview", "tales", "-n", "3"]) == 0
    assert asked(tales) == 3


def test_nothing_is_asked_twice_by_the_hosts_own_ledger(tales: Path, server: Server) -> None:
    assert main(["generate", "tales", "--keep", "40", *real(server)]) == 0
    assert max(server.paid().values()) == 1
    sent = len(server.received())
    ideal = 40 * sent / len(kept(tales))
    assert sent <= 1.1 * ideal
    assert main(["generate", "tales", "--keep", "40", *real(server)]) == 0
    assert len(server.received()) == sent


def test_the_cap_is_the_other_stop(tales: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "tales", "--keep", "400", *real(server, "--max-usd", "0.03")]) == 5
    told = said(capsys)
    assert re.search(r"\d+ of 400 rows are kept so far", told)
    count = int(re.search(r"(\d+) of 400 rows are kept so far", told)[1])
    assert count == len(kept(tales)) > 0
    sent = len(server.received())
    assert main(["generate", "tales", "--keep", str(count), *real(server)]) == 0
    assert len(server.received()) == sent, "what was paid is enough for as much"


def test_hopeless(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tales / "tales.yaml").write_text(RECIPE.replace("min: 1000", "min: 100000"))
    assert main(["generate", "tales", "--keep", "400"]) == 3
    told = said(capsys)
    assert "none of the last 50 rows is kept; 0 of 400 are. Dropped in all: length 50" in told
    assert "synth inspect tales --rule length" in told
    assert asked(tales) == 50


def test_the_grid_is_exhausted(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tales / "tales.yaml").write_text(RECIPE + "sample: {repeats: 2}\n")
    assert main(["generate", "tales", "--keep", "60"]) == 3
    told = said(capsys)
    assert "all 12 cells had the 2 answers that `sample.repeats` allows" in told
    assert re.search(r"sample: \{repeats: \d+\} in the recipe, or more values on an axis", told)
    assert asked(tales) == 24
    assert main(["run", "tales", "--no-tune", "--keep", "60"]) == 3
    assert (tales / "datasets" / "tales" / "exports" / "openai-chat" / "train.jsonl").is_file(), "the rest is done"


def test_the_same_answer_every_time_is_the_end(tales: Path, monkeypatch: pytest.MonkeyPatch,
                                               capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    (tales / "tales.yaml").write_text(RECIPE.replace("min: 1000", "min: 1"))
    with running(answer="It was a dark night.") as server:
        assert main(["generate", "tales", "--keep", "50", *real(server)]) == 3
        assert len(server.received()) <= 160
    told = said(capsys)
    assert "none of the last" in told
    assert "12 of 50" in told, "one of each cell"
    assert "exact-duplicate" in told


def test_a_goal_of_another_model_or_after_an_edit_counts_only_what_is_part_of_the_set(
    tales: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", "tales", "--keep", "20"]) == 0
    capsys.readouterr()
    assert main(["plan", "tales", "--keep", "20", *real(server)[:-1]]) == 0
    assert "keep 0 of 20 rows, about 29 rows more" in said(capsys)
    text = RECIPE.replace("[Lima, Oslo, Cairo]", "[Lima, Oslo, Rome]")
    (tales / "tales.yaml").write_text(text)
    there = sum(row.cell["place"] != "Cairo" for row in kept(tales))
    assert main(["plan", "tales", "--keep", "20"]) == 0
    assert f"keep {there} of 20 rows" in said(capsys)
    assert main(["generate", "tales", "--keep", "20"]) == 0
    by_place = Counter(row.cell["place"] for row in kept(tales))
    assert by_place["Rome"] >= 4
    assert by_place["Cairo"] == 0


def test_rows_of_a_source_have_no_goal(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workdir / "rows.csv").write_text("text,label\nhello,a\nworld,b\n")
    (workdir / "rows.yaml").write_text("synth: 1\nname: rows\nsource: {file: rows.csv}\n"
                                       "train: {user: '{{text}}', assistant: '{{label}}'}\nsample: {keep: 5}\n")
    assert main(["run", "rows", "--no-tune"]) == 2
    assert "rows.yaml:5: `keep` draws more cells of `axes`" in said(capsys)


def test_plan_axes_shows_what_is_drawn_and_what_is_kept(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "tales", "--axes"]) == 0
    told = said(capsys)
    assert "12 drawn values never least often most often" in told
    assert "pairs of values possible drawn hero x place 12 12 100%" in told
    assert main(["generate", "tales", "--keep", "8"]) == 0
    capsys.readouterr()
    assert main(["plan", "tales", "--axes"]) == 0
    told = said(capsys)
    assert re.search(r"\d+ kept values never least often most often", told)
    assert re.search(r"possible drawn kept hero x place 12 12 100% \d+ \d+%", told)
    assert main(["plan", "tales", "--axes", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)["coverage"]
    assert value["rows"] == 12
    assert value["kept"]["rows"] == len(kept(tales))


def test_rules_that_changed_judge_before_anything_is_paid(
    tales: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """Verdicts of other rules say nothing: the bill guesses, and paid rows that are all dropped end it for nothing."""
    (tales / "tales.yaml").write_text(RECIPE.replace("min: 1000", "min: 10"))
    assert main(["generate", "tales", "--keep", "60", *real(server)]) == 0
    sent = len(server.received())
    assert sent >= 60
    strict = ["--set", "curate=[{length: {min: 100000, unit: bytes}}]"]
    capsys.readouterr()
    assert main(["plan", "tales", "--keep", "20", *real(server), *strict]) == 0
    assert f"0 of 20 rows, {sent} not judged by these rules yet" in said(capsys)
    assert main(["generate", "tales", "--keep", "20", *real(server), *strict, "--max-usd", "1"]) == 3
    told = said(capsys)
    assert f"none of the last {sent} rows is kept; 0 of 20 are. Dropped in all: length {sent}" in told
    assert len(server.received()) == sent


def test_more_than_the_bill_said_is_asked_about(
    tales: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bill said nothing was lacking, and the new rules drop most: nobody agreed to that."""
    (tales / "tales.yaml").write_text(RECIPE.replace("min: 1000", "min: 10"))
    (tales / "synth.toml").write_text('[prices."gpt-4.1-mini"]\ninput = 10\noutput = 4000\n')
    assert main(["generate", "tales", "--keep", "40", *real(server)]) == 0
    sent = len(server.received())
    with Dataset.open(tales / "datasets" / "tales") as dataset:
        lengths = sorted(len(sample.answer.encode()) for sample in dataset.samples())
    strict = ["--set", f"curate=[{{length: {{min: {lengths[-3]}, unit: bytes}}}}]"]
    capsys.readouterr()
    assert main(["generate", "tales", "--keep", "28", *real(server)[:-1], *strict]) == 2
    told = said(capsys)
    assert "0 new calls, $0" in told, "as far as 70% of 40 tell, 28 are there"
    assert "there is no cap, and nobody is here to be asked" in told
    assert len(server.received()) == sent
