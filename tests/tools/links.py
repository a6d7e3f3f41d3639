"""Checks the links of a built site: every page, picture and anchor that it names must be there.

``python tests/tools/links.py SITE`` names what is missing and ends with status 1, or lists the
addresses outside of the site, which it does not ask for.
"""

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["broken", "outside", "read_site"]


class Page(HTMLParser):
    """What a page links to, and the anchors that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note its anchors and links."""
        for key, value in attrs:
            if value is None:
                continue
            if key == "id" or (tag == "a" and key == "name"):
                self.anchors.add(value)
            elif key in ("href", "src"):
                self.links.append(value)


def read_site(site: Path) -> dict[Path, Page]:
    """Return the pages of a site."""
    files = sorted(site.rglob("*.html"))
    return {file.resolve(): Page(file.read_text(encoding="utf-8")) for file in files}


def is_outside(link: str) -> bool:
    """Return whether a link leads out of the site."""
    parts = urlsplit(link)
    return bool(parts.scheme or parts.netloc)


def broken(pages: dict[Path, Page]) -> Iterator[str]:
    """Yield a line for each link within the site that leads nowhere."""
    for file, page in pages.items():
        for link in page.links:
            if is_outside(link):
                continue
            path, anchor = unquote(urlsplit(link).path), unquote(urlsplit(link).fragment)
            to = (file.parent / path).resolve() if path else file
            if not to.is_file():
                yield f"{file.name}: {link}: no such file"
            elif anchor and to in pages and anchor not in pages[to].anchors:
                yield f"{file.name}: {link}: no such anchor"


def outside(pages: dict[Path, Page]) -> set[str]:
    """Return the addresses outside of the site."""
    return {x for page in pages.values() for x in page.links if is_outside(x) and x[:5] != "data:"}


def main(site: Path) -> int:
    """Check a site and print what was found; return the exit status."""
    pages = read_site(site)
    faults = sorted(set(broken(pages)))
    print(*faults or sorted(outside(pages)), sep="\n")
    links = sum(len(page.links) for page in pages.values())
    print(f"{len(pages)} pages, {links} links, {len(faults)} broken")
    return 1 if faults or not pages else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
