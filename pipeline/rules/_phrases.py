"""Tables of phrases: regular expressions in groups, one alternative per line.

In a table `<name>` is a group above, `~` stands for up to 90 characters of the same sentence, as few as possible,
`'` for either apostrophe; upper and lower case are the same. A change in a table is a change of what is measured:
raise `version` in the rule that reads it.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path


@cache
def phrases(table: Path) -> dict[str, re.Pattern[str]]:
    """The groups of a table, compiled, by name."""
    groups: dict[str, list[str]] = {}
    for line in table.read_text(encoding="utf-8").splitlines():
        if name := re.fullmatch(r"\[([a-z ]+)\]", line):
            groups[name[1]] = lines = []
        elif line and not line.startswith("#"):
            lines.append(re.sub("<([a-z ]+)>", lambda found: f"(?:{'|'.join(groups[found[1]])})", line))
    patterns = {name: "|".join(lines).replace("~", r"[^.!?\n]{0,90}?") for name, lines in groups.items()}
    return {name: re.compile(f"(?:{text})".replace("'", "['’]"), re.IGNORECASE) for name, text in patterns.items()}
