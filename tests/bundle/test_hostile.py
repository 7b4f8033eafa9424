"""Bundle files that are to harm: one line that names the file, whatever stands in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unprompt.bundle.bundles import read_bundle
from unprompt.errors import UnpromptError

MEMBER = '[[members]]\nname = "{name}"\nkind = "{kind}"\nweight = {weight}\n{more}\n'


def member(name: str = "a", kind: str = "zeroshot", weight: str = "1", more: str = "") -> str:
    return MEMBER.format(name=name, kind=kind, weight=weight, more=more)


@pytest.mark.parametrize(
    "content",
    [
        "a = " + "[" * 100_000,
        "a = " + "{b = " * 10_000,
        f"a = {'1' * 6000}",
        member(weight="nan"),
        member(weight="inf"),
        member(weight="-1"),
        member(weight="1" + "0" * 400),
        member(weight="true"),
        member(weight="1979-05-27"),
        member(name="a") + member(name="b", weight="1e308") + member(name="c", weight="1e308"),
        member(name="../x"),
        member(name="a\\u001b[31m"),
        member(kind="../../zeroshot"),
        member(kind="retrieval", more='bank = "b"\nneighbours = 99999999999999999999999999'),
        member(kind="retrieval", more='bank = "b"\nneighbours = -1'),
        member(kind="interrogator", more="max_flavors = -5"),
        member(more='checkpoint = ["a"]'),
        member(more="checkpoint = 7"),
    ],
)
def test_nonsense_is_told_with_the_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "own.toml").write_text(content)
    with pytest.raises(UnpromptError, match=re.escape(str(tmp_path / "own.toml"))):
        read_bundle(str(tmp_path / "own.toml"))
