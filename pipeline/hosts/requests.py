"""The line of a batch: how a request is named and where it goes, whoever writes it."""

from __future__ import annotations

URL = "/v1/chat/completions"


def request_head(name: str) -> dict[str, str]:
    """A line of a batch less its body.

    Args:
        name: by which its answer is found again; no two lines of a file share one.
    """
    return {"custom_id": name, "method": "POST", "url": URL}
