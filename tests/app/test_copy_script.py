"""What copy.js tells: run by Node on a page that has only what it needs; a browser is asked elsewhere."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from unprompt import app

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")

SCRIPT = Path(app.__file__).with_name("copy.js")
CLICK = """
import start from "./copy.mjs";
const made = [];
globalThis.document = {
  createElement: () => {
    const one = { style: {} };
    one.setAttribute = (name, value) => { one[name] = value; };
    one.remove = () => { one.gone = true; };
    made.push(one);
    return one;
  },
  body: { append: () => {} },
  addEventListener: (_, handler) => { globalThis.click = handler; },
  removeEventListener: () => {},
};
const clipboard = { writeText: async () => {} };
Object.defineProperty(globalThis, "navigator", { value: { clipboard }, configurable: true });
globalThis.setTimeout = (call) => { globalThis.later = call; };
const box = { querySelector: () => ({ textContent: "a cat" }) };
const button = { closest: (selector) => (selector === ".copyable" ? box : button), focus: () => {} };
const end = start();
await click({ target: button });
const said = [button.textContent, made[0]?.role, made[0]?.textContent];
later();
end();
console.log(JSON.stringify([...said, button.textContent, made[0]?.textContent, made[0]?.gone]));
"""


def test_screen_readers_are_told_what_a_click_came_to(tmp_path: Path) -> None:
    (tmp_path / "copy.mjs").write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "click.mjs").write_text(CLICK, encoding="utf-8")
    done = subprocess.run(["node", str(tmp_path / "click.mjs")], capture_output=True, check=True, timeout=60)
    assert json.loads(done.stdout) == ["Copied", "status", "Copied", "Copy", "", True]
