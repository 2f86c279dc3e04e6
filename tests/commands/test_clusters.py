"""`synth inspect --cluster`: rows that are alike, and the list of clusters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.commands import main
from tests import made


@pytest.fixture
def alike(workdir: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A dataset of a cluster of four, one of two and a row by itself; the longest row stands for each."""
    words = " ".join(f"word{n}" for n in range(100))
    other = words.replace("word50 ", "other ")
    first = [words, f"{words} end", other, f"{other} of it all"]
    second = [words[::-1], words[::-1] + " so it was"]
    texts = [*first, *second, "Nobody says anything like that, neither here nor there."]
    (workdir / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    assert main(["import", "alike", "rows.jsonl", "--completion", "text"]) == 0
    assert main(["curate", "alike", "--rule", "near_duplicate: {threshold: 0.8}"]) == 0
    capsys.readouterr()
    return workdir / "datasets" / "alike"


def test_clusters_are_listed_the_largest_first(alike: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noted = json.loads((alike / "manifest.json").read_text())["curation"]["clusters"]["near-duplicate"]["largest"]
    assert main(["inspect", "alike", "--cluster", "all", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["cluster"], one["rows"], one["kept"]) for one in found] == [
        (one["id"], one["rows"], one["kept"]) for one in noted]
    assert [one["weakest"] for one in found] == [round(one["weakest"]["jaccard"], 4) for one in noted]
    assert main(["inspect", "alike", "--cluster", "all", "--limit", "1"]) == 0
    told, said = capsys.readouterr()
    assert [line.split()[:2] for line in told.splitlines()] == [["cluster", "rows"], [noted[0]["id"], "4"]]
    assert said.splitlines()[-2:] == [
        "rows   6 in 2 clusters, the largest 1; --limit 0 shows all",
        f"next   synth inspect alike --cluster {noted[0]['id']}   # its rows, and how alike they are"]


def test_rows_of_a_cluster_say_how_alike_they_are_the_kept_one_first(
    alike: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", "alike", "--cluster", "all", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)[0]
    assert main(["inspect", "alike", "--cluster", first["cluster"], "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    shares = [row["measure"]["near_duplicate"] for row in rows]
    assert (rows[0]["id"], rows[0]["state"], shares[0]) == (first["kept"], "kept", None)
    assert shares[1:] == sorted(shares[1:], reverse=True)
    assert len(set(shares[1:])) > 1
    assert main(["inspect", "alike", "--cluster", first["cluster"]]) == 0
    told, said = capsys.readouterr()
    assert said.startswith(
        f"near_duplicate: how alike to {first['kept'][:8]}, by the weakest link on the way there\n")
    lines = told.splitlines()
    assert lines[0].split()[:4] == ["row", "state", "bytes", "near_duplicate"]
    assert [line.split()[0] for line in lines[1:]] == [row["id"][:8] for row in rows]
    assert f" {shares[1]:.4g} " in lines[2]


@pytest.mark.parametrize(("words", "told"), [
    (["--cluster", "nonsense"], "no cluster's id begins with 'nonsense'\n       synth inspect alike --cluster all "),
    (["--cluster", "nonsense", "--json"], "no cluster's id begins with 'nonsense'"),
    (["--cluster", "all", "--state", "kept"], "--cluster all lists clusters, and --state is about rows"),
])
def test_a_cluster_that_there_is_not(
    alike: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert main(["inspect", "alike", *words]) == 2
    assert told in capsys.readouterr().err


def test_no_clusters(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made.dataset(workdir / "datasets" / "tales", [made.sample(i) for i in range(3)])
    assert main(["inspect", "tales", "--cluster", "all"]) == 4
    assert "synth curate tales --rule near_duplicate" in capsys.readouterr().err
    assert main(["inspect", "tales", "--cluster", "all", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
