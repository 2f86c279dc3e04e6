"""The rule `mojibake`: real text in twenty languages, whole and broken in the usual ways."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from pipeline.broken_text import broken_places, mended
from tests.rules.rows import judged, row

BROKEN = [
    ("The cafÃ© opened.", 1, "cafÃ©", "café"), ("Itâ€™s late, and sheâ€™s gone.", 2, "Itâ€™s", "It’s"),
    ("ðŸ˜€ hello", 1, "ðŸ˜€", "😀"), ("wow \x96 four stars", 1, "\\x96", "–"),
    ("It cost Â£60,000.", 1, "Â£60,000.", "£60,000."), ("A lost\ufffd letter", 1, "lost\ufffd", ""),
    ("NUL\x00 here", 1, "a NUL character", ""), ("half \ud83d here", 1, "\\ud83d", ""),
    ("РџСЂРёРІРµС‚", 1, "РџСЂРёРІРµС‚", "Привет"), ("a" + "\u200b" * 6 + "b", 1, "", ""),
]
WHOLE = [
    "Plain text.\r\n\tOf lines.", "naïve café — “ok”…", "👨‍👩‍👧‍👦 🏴󠁧󠁢󠁥󠁮󠁧󠁿 ❤️", "می‌خواهم",
    "« Voilà », dit-elle. À bientôt…", "x² ± 3 × ½ °C, £5, €3", "¿Qué? ¡Hola!", "São Paulo, Ângela, AÇÃO",
    "IRMÃ “Ana”", "Різдво Сімʼя № 5", "ﬁne A\u200bb", "√2≈1.41", "", "Ă ă Â â Î î Ș ș",
]


@pytest.mark.parametrize(("text", "count", "before", "after"), BROKEN)
def test_broken_places_are_counted_and_shown(text: str, count: int, before: str, after: str) -> None:
    found = judged("mojibake", row(text))
    assert (found.outcome, found.value) == ("drop", count), found
    assert found.span is not None
    assert before in found.reason
    assert after in found.reason
    assert judged("mojibake", row(text), max=count).outcome == "keep"
    assert judged("mojibake", row(text, "What is wrong with the encoding of this?")).outcome == "flag"
    assert judged("mojibake", row(text, f"What does this mean: {text}")).outcome == "flag"
    assert "is “”" not in found.reason


@pytest.mark.parametrize("text", WHOLE)
def test_whole_text_of_any_script_is_kept(text: str) -> None:
    assert broken_places(text) == []


def test_a_mended_text_changes_nothing_else() -> None:
    assert mended("“cafÃ©” &amp; ﬁne…") == "“café” &amp; ﬁne…"


def paragraphs(data: Path) -> list[str]:
    with gzip.open(data / "curation" / "base.jsonl.gz") as file:
        told = map(json.loads, file)
        return [each["t"] for each in told if each["k"] == "lang"]


def test_real_paragraphs_in_twenty_languages_are_whole(shared_data: Path) -> None:
    texts = paragraphs(shared_data)
    assert len(texts) == 1103
    assert [text for text in texts if broken_places(text)] == []


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_the_same_paragraphs_read_wrongly_are_all_found(encoding: str, shared_data: Path) -> None:
    missed, tried = [], 0
    for text in paragraphs(shared_data):
        try:
            broken = text.encode().decode(encoding)
        except UnicodeDecodeError:
            continue
        if broken != text:
            tried += 1
            missed += [broken] * (not broken_places(broken))
    assert tried > 500
    assert missed == []
