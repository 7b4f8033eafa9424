"""The check of the built manual finds what it is for, on a small site."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs.check_site import main, problems


def write_site(folder: Path, body: str, style: str = "") -> Path:
    (folder / "deep").mkdir()
    (folder / "index.html").write_text(f"<link rel='stylesheet' href='s.css'><h1 id='top'>A</h1>{body}")
    (folder / "deep" / "index.html").write_text("<h1 id='b c'>B</h1><a href='../index.html#top'>back</a>")
    (folder / "s.css").write_text(style)
    (folder / "i.png").write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    "body",
    [
        "<a href='deep/'>b</a><a href='deep/index.html#b%20c'>b</a><a href='#top'>up</a><img src='i.png'>",
        "<a href='https://example.org'>a link out is no load</a><a href='mailto:a@b.c'>m</a>",
        "<link rel='canonical' href='https://example.org'><img src='data:image/png;base64,AA=='>",
    ],
)
def test_a_sound_site_has_no_problems(tmp_path: Path, body: str) -> None:
    site = write_site(tmp_path, body, "a { background: url(i.png) }")
    assert list(problems(site)) == []
    assert main(site) == 0


@pytest.mark.parametrize(
    ("body", "style", "says"),
    [
        ("<a href='none.html'>x</a>", "", "links to none.html, which is not there"),
        ("<a href='deep/index.html#d'>x</a>", "", "index.html has no 'd'"),
        ("<a href='#nowhere'>x</a>", "", "has no 'nowhere'"),
        ("<img src='none.png'>", "", "lacks none.png"),
        ("<script src='https://example.org/a.js'></script>", "", "loads https://example.org/a.js"),
        ("<script src='//example.org/a.js'></script>", "", "loads //example.org/a.js"),
        ("<img srcset='i.png 1x, https://example.org/b.png 2x'>", "", "loads https://example.org/b.png"),
        ("<link rel='preconnect' href='https://example.org'>", "", "loads https://example.org"),
        ("<p style='background: url(https://example.org/c.png)'>", "", "loads https://example.org/c.png"),
        ("<style>@import 'https://example.org/d.css'</style>", "", "loads https://example.org/d.css"),
        ("", "a { background: url('https://example.org/e.png') }", "s.css: loads https://example.org/e.png"),
        ("<pre class='mermaid'>x</pre>", "", "has a diagram"),
    ],
)
def test_each_kind_of_problem_is_found(tmp_path: Path, body: str, style: str, says: str) -> None:
    site = write_site(tmp_path, body, style)
    (found,) = problems(site)
    assert says in found
    assert main(site) == 1


def test_a_folder_without_pages_is_a_problem(tmp_path: Path) -> None:
    assert main(tmp_path) == 1
