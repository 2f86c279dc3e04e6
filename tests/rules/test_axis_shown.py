"""The rule `axis_shown`: whether a text shows the values of its axes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.rules._values import shows, sign_of
from tests.rules.rows import judged, row

LABELS = Path(__file__).with_name("axis_shown.tsv")


@pytest.mark.parametrize(("value", "text", "shown"), [
    ("France", "She left the village for Lyon.", True),
    ("France", "A Frenchman walks into a bar.", True),
    ("France", "She speaks French with her aunt in Boston.", False),
    ("in France", "The Parisians sleep. Paris's roofs do not.", True),
    ("Egypt", "An Egyptian scribe.", True),
    ("South Africa", "The South Africans won.", True),
    ("Africa", "A farm near Nairobi.", True),
    ("America", "In the jungles of South America.", False),
    ("United States", "A diner in Ohio.", True),
    ("China", "She sets the china on the table.", False),
    ("Mexico", "A motel in New Mexico.", False),
    ("Lagos, Nigeria", "The traffic of Lagos.", True),
    ("the Moon", "Dust on the moon.", True),
    ("the 1920s", "It was the summer of 1926.", True),
    ("the 1920s", "The Roaring Twenties were ending.", True),
    ("the 1920s", "Anna is in her twenties.", False),
    ("the 1920s", "An army of 1925 men.", False),
    ("1987", "In the eighties, nothing. In the 1980s, more.", True),
    ("17th century", "In the seventeenth century, a ship sails.", True),
    ("17th century", "In 1605, a group of men met.", True),
    ("17th century", "In 1705, a group of men met.", False),
    ("2nd century", "It is the 2nd century BCE.", False),
    ("2nd century BCE", "It is the 2nd century BCE.", True),
    ("Late Renaissance", "The year is late Renaissance.", True),
    ("Early Renaissance", "The year is late Renaissance.", False),
    ("the Renaissance", "Florence, 1490.", True),
    ("the Renaissance", "It cost 1490 florins.", False),
    ("Victorian England", "Queen Victoria smiled.", True),
    ("World War II", "In August, 1944, the Nazis retreat.", True),
])
def test_what_can_be_told_by_words(value: str, text: str, shown: bool) -> None:
    sign = sign_of(value)
    assert sign is not None
    assert sign.known
    assert shows(text, sign) is shown


@pytest.mark.parametrize("value", [
    "crime & mystery", "the near future", "present day", "21st century", "high fantasy", "small town", "Underwater"])
def test_what_a_text_need_not_say_is_passed_over(value: str) -> None:
    found = judged("axis_shown", row("A woman buys bread.", cell={"place": value}))
    assert found.outcome == "not_applicable"


def test_the_axes_that_a_text_lacks_are_named() -> None:
    cell = {"genre": "crime & mystery", "place": "Egypt", "period": "the 1920s"}
    sample = row("A mysterious crime in Cairo.", cell=cell)
    found = judged("axis_shown", sample)
    assert (found.outcome, found.reason, found.value) == ("flag", "does not show period=the 1920s", 0.6667)
    assert judged("axis_shown", sample, min=0.5).outcome == "keep"
    assert judged("axis_shown", sample, axes="place").value == 1.0
    assert judged("axis_shown", sample, axes=["period"], act="drop").outcome == "drop"
    assert judged("axis_shown", row("Bread.", cell={"genre": "romance"}), others="count").outcome == "flag"
    assert judged("axis_shown", row("She sighed romantically.", cell={"genre": "romance"}), others="count").value == 1.0


def test_rows_without_axes_or_text() -> None:
    assert judged("axis_shown", row("Bread.")).outcome == "not_applicable"
    assert judged("axis_shown", row("", cell={"place": "Egypt"})).outcome == "not_applicable"


def test_beside_eighty_synopses_that_were_read(shared_data: Path) -> None:
    """Of 58 values that forty synopses are set in, labelled before the rule saw them, it finds 54, and calls 18 more
    shown: mostly places that are named in passing."""
    texts = {each["name"].removesuffix(".txt"): each["synopsis"] for each in map(
        json.loads, (shared_data / "outlines" / "outlines.jsonl").read_text(encoding="utf-8").splitlines())}
    lists = [(shared_data / "synopses" / "lists" / f"{name}.txt").read_text(encoding="utf-8") for name in (
        "settings", "times")]
    values = [value for each in lists for value in map(str.strip, each.splitlines()) if value]
    signs: dict[str, Any] = {value: sign_of(value) for value in values}
    counts = {"first": [0, 0, 0], "second": [0, 0, 0]}
    for line in LABELS.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        part, name, labels = line.split("\t")
        right = set(filter(None, labels.split("|")))
        found = {value for value, sign in signs.items() if sign.known and shows(texts[name], sign)}
        for at, some in enumerate((right & found, found - right, right - found)):
            counts[part][at] += len(some)
    assert counts == {"first": [75, 11, 4], "second": [54, 18, 4]}
