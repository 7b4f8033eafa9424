"""Check the built manual: every link leads somewhere, and no page loads anything from elsewhere.

`python -m docs.check_site SITE`: prints what is wrong, and then exits with 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Attributes that make a browser fetch something while it shows the page.
LOADS = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "img": ("src", "srcset"),
    "input": ("src",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "video": ("src", "poster"),
}
LOADING_RELATIONS = {"stylesheet", "icon", "preload", "modulepreload", "preconnect", "prefetch", "manifest"}
# What the theme's script fetches from elsewhere where a page has an element of such a class or attribute.
FETCHED_FOR = {"mermaid": "a diagram", "glightbox": "a light box", "pyodide": "a Python console"}
IN_STYLES = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""")


@dataclass
class Page(HTMLParser):
    """What one page links to, loads, and can be linked at."""

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    fetched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if values.get(name)}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "link" and LOADING_RELATIONS & set(values.get("rel", "").split()):
            self.loads.append(values.get("href", ""))
        for name in LOADS.get(tag, ()):
            if values.get(name):
                parts = values[name].split(",") if name == "srcset" else [values[name]]
                self.loads += [part.split()[0] for part in parts]
        self.loads += IN_STYLES.findall(values.get("style", ""))
        self.fetched += [FETCHED_FOR[name] for name in values.get("class", "").split() if name in FETCHED_FOR]

    def handle_data(self, data: str) -> None:
        if self.lasttag == "style":
            self.loads += IN_STYLES.findall(data)


def read_page(path: Path) -> Page:
    """Parse a page."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def target_of(site: Path, path: Path, link: str) -> Path:
    """The file that a link within the site means; folders mean their index.html."""
    parts = urlsplit(link)
    start = site if parts.path.startswith("/") else path.parent
    target = (start / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
    return target / "index.html" if target.is_dir() else target


def problems(site: Path) -> Iterator[str]:
    """What is wrong with a built site, a line each."""
    site = site.resolve()
    pages = {path: read_page(path) for path in sorted(site.rglob("*.html"))}
    if not pages:
        yield f"{site} holds no pages"
    for path, page in pages.items():
        here = path.relative_to(site)
        for load in page.loads:
            if urlsplit(load).netloc:
                yield f"{here}: loads {load}"
            elif urlsplit(load).scheme != "data" and not target_of(site, path, load).is_file():
                yield f"{here}: lacks {load}"
        for what in page.fetched:
            yield f"{here}: has {what}, for which the theme loads a script from elsewhere"
        for link in page.links:
            if urlsplit(link).scheme or urlsplit(link).netloc:
                continue
            target, anchor = target_of(site, path, link), unquote(urlsplit(link).fragment)
            if not target.is_file():
                yield f"{here}: links to {link}, which is not there"
            elif anchor and target in pages and anchor not in pages[target].anchors:
                yield f"{here}: links to {link}, but {target.name} has no '{anchor}'"
    for path in sorted(site.rglob("*.css")):
        for load in IN_STYLES.findall(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site)}: loads {load}"


def main(site: Path) -> int:
    """Print what is wrong; returns the exit code."""
    found = list(problems(site))
    for line in found:
        print(line)
    print(f"{site}: {f'{len(found)} problems' if found else 'links are right, nothing is from elsewhere'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
