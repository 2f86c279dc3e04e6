"""Reads a page as a browser does: elements, ids, links, and the text of each section."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

VOID = frozenset({"meta", "link", "br"})
INLINE = frozenset({"b", "bdi", "code", "strong", "a", "i", "mark"})


@dataclass
class Page:
    """What stands in a page."""

    source: str
    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    sections: dict[str, str] = field(default_factory=dict)
    """id of a section -> its text, white space collapsed; "" for what stands in none."""

    @property
    def ids(self) -> list[str]:
        return [given["id"] for _, given in self.tags if "id" in given]

    def values(self, attribute: str) -> list[str]:
        """What an attribute holds, wherever it is given."""
        return [given[attribute] for _, given in self.tags if attribute in given]

    def named(self, tag: str) -> list[dict[str, str]]:
        return [given for name, given in self.tags if name == tag]


class _Reader(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__(convert_charrefs=True)
        self.page, self.open, self.section = page, list[str](), ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        assert len(given) == len(attrs), f"<{tag}> gives an attribute twice"
        self.page.tags.append((tag, given))
        if tag == "section":
            self.section = given["id"]
        if tag not in VOID:
            self.open.append(tag)
        if tag not in INLINE:
            self.handle_data(" ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes something else"
        if tag == "section":
            self.section = ""

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.page.sections[self.section] = self.page.sections.get(self.section, "") + data


def read(path: Path) -> Page:
    """Reads a page; fails where its elements do not close one another, or an id stands twice."""
    page = Page(path.read_bytes().decode("utf-8"))
    reader = _Reader(page)
    reader.feed(page.source)
    reader.close()
    assert reader.open == [], f"not closed: {reader.open}"
    assert len(set(page.ids)) == len(page.ids)
    page.sections = {name: " ".join(text.split()) for name, text in page.sections.items()}
    return page
