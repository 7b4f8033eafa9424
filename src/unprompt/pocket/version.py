"""Which pocket world it is. Light to import.

VERSION is raised with every change after which a seed gives another prompt, or a prompt and a seed another
picture: what was begun with one is not finished with another. tests/pocket/golden.json has hashes of what
each version draws.
"""

from __future__ import annotations

WORLD = "world"  # what it is called in settings, plans and records
VERSION = 1
