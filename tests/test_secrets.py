"""Credentials of each known form, made at random here, and what only looks like one."""

from __future__ import annotations

import base64
import gzip
import json
import random
import string
from pathlib import Path

import pytest

from pipeline.secrets import KINDS, excerpt, find

WORDS = string.ascii_letters + string.digits


def drawn(count: int, letters: str = WORDS, seed: int = 0) -> str:
    draw = random.Random(f"{count} {letters} {seed}")
    return "".join(draw.choices(letters, k=count - 2)) + "9Z"


def token(header: object, payload: object) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in (header, payload)]
    return ".".join([*parts, drawn(43)])


def pem(lines: int = 4) -> str:
    body = "\n".join(drawn(64, WORDS + "+/", seed) for seed in range(lines))
    return f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----"


MADE = {
    "openai": f"sk-proj-{drawn(48)}", "anthropic": f"sk-ant-api03-{drawn(93)}", "aws": "AKIA" + drawn(16,
    string.ascii_uppercase + "234567")[:14] + "Q7",
    "github": f"ghp_{drawn(36)}", "gitlab": f"glpat-{drawn(20)}", "slack": f"xoxb-123456789012-{drawn(24)}",
    "google": f"AIza{drawn(35)}",
    "stripe": f"sk_live_{drawn(24)}", "huggingface": f"hf_{drawn(34)}", "sendgrid": f"SG.{drawn(22)}.{drawn(43)}",
    "npm": f"npm_{drawn(36)}", "jwt": token({"alg": "HS256", "typ": "JWT"}, {"sub": "eva"}), "private-key": pem(),
    "login": "postgres://eva:8gK2xwQz@db.holm.io",
}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "assigned"])
@pytest.mark.parametrize("around", ["{}", "Use {} as the key.", 'export KEY="{}"', "Bearer {}\n", "key:{},", "`{}`"])
def test_each_form_is_found_whole(kind: str, around: str) -> None:
    text = around.format(MADE[kind])
    (span,) = find(text)
    assert (span.kind, text[span.start:span.end]) == (kind, MADE[kind])
    assert len(excerpt(text, span)) <= 5
    assert find(text, [each for each in KINDS if each not in (kind, "assigned")]) == []


@pytest.mark.parametrize("line", [
    'api_key = "{}"', "API-KEY: {}", "aws_secret_access_key={}", '"client_secret": "{}"', "password := '{}'",
    "MY_TOKEN={}",
    "access key: {}", "İ api_key={}", "db.passwd={}",
])
def test_what_is_called_a_key_and_looks_drawn_is_one(line: str) -> None:
    value = drawn(32)
    text = line.format(value)
    assert [(span.kind, text[span.start:span.end]) for span in find(text)] == [("assigned", value)]


@pytest.mark.parametrize("text", [
    "sk-...", "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "api_key = YOUR_API_KEY_1234",
    'api_key="sk-your-key-here-0000000000"', "token: <your token 1>",
    "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "password = os.environ['DB_PASSWORD_1234']",
    "password: hunter2", "secret = settings.secret_key_2024", "key: 1234567890123456",
    "The secret: nobody knew that the 7th man had left.",
    "sk-learn-and-other-packages-of-python-2", "eyJhbGciOiJub25l.eyJ.x",
    "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----",
    "https://user:password@host.com/x1", "https://{user}:{password}@host1.com", "postgres://user:$PASS1@host",
    "monkey=aB3dE6gH9jK2mN5pQ8rS1tU4",
    "token = aaaaaaaaaaaaaaaaaaaa1", "tokens: 1500000000000000000", "AIza is how they begin, 39 characters in all",
    token({"alg": "HS256"}, {"sub": "1234567890", "name": "John Doe"}), token({"typ": "no algorithm"}, {}),
])
def test_placeholders_and_words_are_none(text: str) -> None:
    assert [text[span.start:span.end] for span in find(text)] == []


def test_in_70_000_real_texts_there_is_none(shared_data: Path) -> None:
    with gzip.open(shared_data / "curation" / "base.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["t"] for line in file]
    for name in ("seed-tasks/seed_tasks.jsonl", "synopses/synopses.jsonl", "outlines/outlines.jsonl"):
        texts += (shared_data / name).read_text(encoding="utf-8").splitlines()
    assert len(texts) > 70_000
    assert [text for text in texts if find(text)] == []
