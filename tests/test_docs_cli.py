"""The manual's command lines: docs/cli.md is today's parser, and every command that is printed parses."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs import write_cli

from unprompt.cli import begins_with_a_picture, build_parser
from unprompt.cli.look import build_look_parser

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def printed_commands(page: Path) -> Iterator[str]:
    """Lines that start with `unprompt` in blocks of shell commands, continued lines joined."""
    text = page.read_text(encoding="utf-8")
    for language, block in re.findall(r"^```(.*)\n((?:.*\n)*?)```", text, re.MULTILINE):
        if language in ("", "sh"):
            yield from re.findall(r"^unprompt .*$", block.replace("\\\n", ""), re.MULTILINE)


def test_the_page_is_todays_parser() -> None:
    assert write_cli.FILE.read_text(encoding="utf-8") == write_cli.page(), "run: python -m docs.write_cli"


@pytest.fixture(scope="module")
def parser() -> argparse.ArgumentParser:
    """Today's, with all commands."""
    return build_parser()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_printed_parses(page: Path, parser: argparse.ArgumentParser) -> None:
    for line in printed_commands(page):
        words = shlex.split(line.partition(" > ")[0], comments=True)[1:]
        (build_look_parser() if begins_with_a_picture(words) else parser).parse_args(words)


def test_printed_commands_are_found() -> None:
    lines = list(printed_commands(write_cli.FILE))
    assert "unprompt filter prompts.csv --out kept.csv" in lines
    assert len(lines) > 30


def example_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="saw")
    below = parser.add_subparsers(metavar="COMMAND")
    example = "example:\n  saw cut oak --out here     slowly\n  saw cut oak --out there  fast\n"
    cut = below.add_parser("cut", help="cut wood", epilog=example)
    cut.add_argument("wood", metavar="WOOD", help="what: a|b")
    cut.add_argument("--out", required=True, metavar="DIR", help="where")
    cut.add_argument("--teeth", type=int, default=7, metavar="N", help="how many (%(default)s)")
    cut.add_argument("--wet", action="store_true", help="use water")
    cut.add_argument("--how", choices=("up", "down"), help="the way")
    cut.add_argument_group("by a Black+Decker").add_argument("--volts", help="of it")
    return parser


def test_a_section_by_hand() -> None:
    ((summary, cut),) = write_cli.commands(example_parser())
    text = "\n".join(write_cli.section(summary, cut))
    assert "## saw cut" in text
    assert "saw cut WOOD --out DIR [options]" in text
    assert r"| `WOOD` | what: a\|b |" in text
    assert "| `--out DIR` | where; required |" in text
    assert "| `--teeth N` | how many (7) |" in text
    assert "| `--wet` | use water |" in text
    assert r"| `--how up\|down` | the way |" in text
    assert "\nsaw cut oak --out here    # slowly\nsaw cut oak --out there    # fast\n" in text
    assert "\nBy a Black+Decker:\n" in text
    assert "--help" not in text
