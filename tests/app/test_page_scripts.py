"""What the pages' scripts look for in a page is what Streamlit puts there; and where pasted pictures go."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from unprompt import app

FOLDER = Path(app.__file__).parent
PASTE = """
import start from "./paste.mjs";
const uploader = (name, taken) => {
  const input = { dispatchEvent: () => { got.push(name); } };
  const found = { 'input[type="file"]': input, '[data-testid="stFileChip"]': taken ? {} : null };
  return { querySelector: (selector) => found[selector] ?? null };
};
const got = [];
let uploaders = [];
globalThis.document = {
  querySelectorAll: () => uploaders,
  addEventListener: (_, handler) => { globalThis.paste = handler; },
};
globalThis.DataTransfer = class { items = { add: () => {} }; files = []; };
globalThis.Event = class {};
start();
const event = { clipboardData: { files: [{ type: "image/png" }] }, preventDefault: () => {} };
for (const taken of [[false, false], [true, false], [true, true]]) {
  uploaders = taken.map((one, place) => uploader(place, one));
  paste(event);
}
console.log(JSON.stringify(got));
"""


def test_scripts_and_styles_look_for_what_streamlit_has() -> None:
    spec = find_spec("streamlit")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("Streamlit is not installed")
    scripts = Path(spec.submodule_search_locations[0], "static", "static", "js").glob("*.js")
    there = {
        name
        for path in scripts
        for name in re.findall(r"\bst[A-Z][A-Za-z]+\b", path.read_text("utf-8", "replace"))
    }
    ours = [path.read_text("utf-8") for path in (*FOLDER.glob("*.js"), *FOLDER.glob("*.css"))]
    wanted = {name for text in ours for name in re.findall(r'data-testid="(\w+)"', text)}
    assert {"stFileChip", "stFileUploader"} <= wanted <= there


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_a_pasted_picture_goes_to_the_first_uploader_that_has_none(tmp_path: Path) -> None:
    (tmp_path / "paste.mjs").write_text((FOLDER / "paste.js").read_text("utf-8"), "utf-8")
    (tmp_path / "page.mjs").write_text(PASTE, "utf-8")
    done = subprocess.run(["node", str(tmp_path / "page.mjs")], capture_output=True, check=True, timeout=60)
    assert json.loads(done.stdout) == [0, 1, 0]
