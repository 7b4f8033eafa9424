"""A file of JSON lines that only grows, and what a kill leaves of it."""

from __future__ import annotations

from pathlib import Path

from unprompt.storage.journal import Journal


def test_what_counts_is_read_and_what_was_written_beyond_is_cut_off(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "kept.jsonl")
    assert journal.read(0) == []
    assert journal.has(0)
    journal.begin(0)
    first = journal.note([["a", "ä\n\u2028\ud83d"], {"b": 1}])
    assert journal.note([]) == first
    second = journal.note(["c"])
    with journal.path.open("ab") as stream:
        stream.write(b'["half a li')
    assert journal.read(first) == [["a", "ä\n\u2028\ud83d"], {"b": 1}]
    assert journal.read(second) == [["a", "ä\n\u2028\ud83d"], {"b": 1}, "c"]
    journal.begin(first)
    assert journal.path.stat().st_size == first
    assert (journal.has(first), journal.has(first + 1)) == (True, False)
    third = journal.note(["d"])
    assert journal.read(third)[-1] == "d"
    journal.begin(0)
    assert (journal.note([]), journal.has(1)) == (0, False)
