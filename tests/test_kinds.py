"""What kind of text an answer is, told by form."""

from __future__ import annotations

import pytest

from pipeline.kinds import kind_of

CASES = [
    ("positive", "label"), ("New York City", "label"), ("", "label"), ("42", "label"),
    ("The capital of Australia is Canberra.", "prose"),
    ('{"name": "Ada", "born": 1815}', "json"), ("```json\n[1, 2]\n```", "json"), ('{"a": 1,}', "json"),
    ("def f(x):\n    y = x + 1\n    return y", "code"), ("Use this:\n```js\nconst a = 1;\n```", "code"),
    ("SELECT name FROM users\nWHERE id = 3;", "code"),
    ("1. Boil the water.\n2. Add the tea.\n3. Wait.", "list"), ("- eggs\n- flour\n- milk", "list"),
    ("| a | b |\n|---|---|\n| 1 | 2 |", "table"), ("name\tage\nAda\t36", "table"),
    ("Anna: Where were you?\nBen: At home.\nAnna: All night?", "dialogue"),
    ("Shall I compare thee to a summer's day?\nThou art more lovely and more temperate:\n"
     "Rough winds do shake the darling buds of May,\nAnd summer's lease hath all too short a date;", "verse"),
    ("A long day ended. The ship left at dawn, and nobody waved.\n\nOn the third day it came back without its captain, "
     "who had sold it to a man that nobody knew.", "prose"),
    ("[Scene: a kitchen] She enters, he leaves, and the kettle goes on boiling.", "prose"),
]


@pytest.mark.parametrize(("text", "kind"), CASES)
def test_a_text_is_of_its_kind(text: str, kind: str) -> None:
    assert kind_of(text) == kind
