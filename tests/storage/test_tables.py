"""The one reader of tables: what Python's csv writes comes back, what is wrong names its line."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unprompt.errors import InputError
from unprompt.storage.tables import Table, _scan_plainly, _Scanner, parse_csv, parse_header, parse_json_lines

HEADER = ("imgId", "prompt")
SIGNS = st.sampled_from('ab ,;\t"\n\r\\é\u2028')


def texts_of(content: str) -> list[tuple[str, str]]:
    table = parse_csv(content, "p.csv", HEADER)
    return [(row["imgId"], row["prompt"]) for row in table.rows]


# --- what others write


@given(
    rows=st.lists(
        st.lists(
            st.text(st.sampled_from('ab ,;\t"\n\r\\é\u2028'), max_size=6), min_size=3, max_size=3
        ).filter(any),
        min_size=1,
        max_size=5,
    ),
    delimiter=st.sampled_from(",;\t"),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
)
def test_what_csv_writes_in_any_dialect_comes_back(
    rows: list[list[str]], delimiter: str, ending: str, quoting: int
) -> None:
    stream = io.StringIO()
    # The writer quotes line ends only where they are among its own.
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\r\n", quoting=quoting)
    lines = []
    for row in [["a", "b", "c"], *rows]:
        writer.writerow(row)
        lines.append(stream.getvalue()[:-2])
        stream.seek(0)
        stream.truncate()
    table = parse_csv(ending.join(lines), "p.csv", ("a", "b", "c"))
    assert [list(row.values()) for row in table.rows] == rows


@given(
    rows=st.lists(
        st.lists(st.text(st.sampled_from('ab ,"\nx'), min_size=1, max_size=6), min_size=2, max_size=2),
        min_size=1,
        max_size=5,
    )
)
def test_spaces_after_commas_are_read_as_by_csv(rows: list[list[str]]) -> None:
    stream = io.StringIO("imgId, prompt\n")
    stream.seek(0, io.SEEK_END)
    for row in rows:
        quoted = ['"' + field.replace('"', '""') + '"' for field in row]
        stream.write(", ".join(quoted) + "\n")
    expected = list(csv.reader(io.StringIO(stream.getvalue(), newline=""), skipinitialspace=True))[1:]
    assert texts_of(stream.getvalue()) == [tuple(row) for row in expected] == [tuple(row) for row in rows]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('imgId,prompt\na, "a red fox, oil"\nb, "a whale"\n', [("a", "a red fox, oil"), ("b", "a whale")]),
        ('imgId,prompt\na, "a red fox"\nb, a whale\n', [("a", "a red fox"), ("b", "a whale")]),
        ("imgId, prompt\na, a fox\n", [("a", "a fox")]),
        ("imgId,prompt\na, a fox\n", [("a", " a fox")]),  # the space is the text's, as csv writes it
        ('imgId,prompt\n"a" , "a fox" \nb,x\n', [("a", "a fox"), ("b", "x")]),
        ("imgId,prompt\na,a fox,\nb,a whale\n", [("a", "a fox"), ("b", "a whale")]),
        ("imgId,prompt,\na,a fox,\nb,a whale,\n", [("a", "a fox"), ("b", "a whale")]),
        ("imgId,prompt\na,a fox\n,\n\n,,\n", [("a", "a fox")]),  # rows that a spreadsheet leaves
        ("imgId;prompt\na;a fox, oil\n", [("a", "a fox, oil")]),
        ('"imgId";"prompt"\n"a";"a fox; oil"\n', [("a", "a fox; oil")]),
        ("imgId\tprompt\na\ta fox, oil\n", [("a", "a fox, oil")]),
        (",imgId,prompt\n0,a,a fox\n1,b,x\n", [("a", "a fox"), ("b", "x")]),  # pandas' index
        ('imgId,prompt\na,a 12" record\n', [("a", 'a 12" record')]),
        ("imgId,prompt\nC:\\pictures\\a.png,a\\b\n", [("C:\\pictures\\a.png", "a\\b")]),
        ('imgId,prompt\ra,"one\rtwo"\rb,x\r', [("a", "one\rtwo"), ("b", "x")]),
        ("imgId,prompt\na,” a fox “\n", [("a", "” a fox “")]),
        ("imgId,prompt\na,one\x0btwo\u2028three\n", [("a", "one\x0btwo\u2028three")]),
        ("imgId,prompt,seed\na,a fox\n", [("a", "a fox")]),
    ],
)
def test_what_people_write(content: str, expected: list[tuple[str, str]]) -> None:
    assert texts_of(content) == expected


@given(st.text(st.sampled_from('a ,"\n\r'), max_size=30), st.sampled_from(",;"))
def test_the_fast_way_is_the_scanners(text: str, delimiter: str) -> None:
    plain = _scan_plainly(text, delimiter)
    if plain is not None:
        scanner = _Scanner(text, "p.csv", delimiter)
        assert [row[:2] for row in plain] == [row[:2] for row in scanner.rows()]
        assert not scanner.spaced


def test_a_long_text_is_no_error() -> None:
    """Python's own reader refuses fields of more than 131,072 signs."""
    text = "a fox, " * 40_000
    assert texts_of(f'imgId,prompt\na,"{text}"\n') == [("a", text)]


def test_rows_know_their_lines() -> None:
    content = 'imgId,prompt\n\na,"one\ntwo"\r\nb,x\n,\n"c","""y"""\n'
    table = parse_csv(content, "p.csv", HEADER)
    assert [(row["imgId"], line) for row, line in zip(table.rows, table.lines, strict=True)] == [
        ("a", 3),
        ("b", 5),
        ("c", 7),
    ]


def test_columns_that_are_not_asked_for_may_be_missing_at_the_end() -> None:
    table = parse_csv("imgId,prompt,seed\na,x\nb,y,7\n", "p.csv", HEADER)
    assert table == Table(
        ("imgId", "prompt", "seed"),
        [{"imgId": "a", "prompt": "x", "seed": ""}, {"imgId": "b", "prompt": "y", "seed": "7"}],
        [2, 3],
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('imgId,prompt\na,x\nb,"a fox\nc,y\nd,z\n', r'line 3: a quote opens that is never closed: "a fox;'),
        # the quote of a later row closes it
        (
            'imgId,prompt\nb,"a fox\nc,"a whale"\n',
            r"line 2: a quote opens that closes on line 3, and",
        ),
        # it opens in the middle of a row that began earlier
        ('imgId,prompt\n"a\nb","x\n', r"line 3: a quote opens that is never closed"),
        ('imgId,prompt\na,"a sign "open" in red"\n', r"line 2: a quote opens, and text is behind it"),
        ('imgId,prompt\na,"x" y\n', "line 2: a quote opens, and text is behind"),
        ('imgId,prompt\na, "x" y\n', "line 2: a quote opens, and text is behind"),
        ('imgId,prompt\n"a\nb",x\nc,a fox, oil\n', "line 4: more fields than the header's 2"),
        ("imgId,prompt,\na,a fox, oil\n", "line 2: more fields than the header's 2"),
        ("imgId,prompt\n\na\n", "line 3: expected imgId,prompt, found too few fields"),
        ("imgId,prompt,prompt\na,x,y\n", "the column 'prompt' twice"),
        ("a,b\n1,2\n", r"p\.csv has no column 'imgId' \(its header is 'a,b'\)"),
        ("imgId,prompt\n,\n", "a header but no rows"),
        ('"imgId,prompt\na,x\n', "line 1: a quote opens that is never closed"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(content: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_csv(content, "p.csv", HEADER)


def test_an_unclosed_quote_is_found_in_one_pass() -> None:
    """Each of the rows behind it is looked at once, not once for each row."""
    content = "imgId,prompt\n" + 'a,"""x\n' + 'b,""y""\n' * 200_000
    with pytest.raises(InputError, match="line 2: a quote opens that is never closed"):
        parse_csv(content, "p.csv", HEADER)


def test_headers() -> None:
    assert parse_header("", "p.csv") == ()
    assert parse_header('a, "b, c"\n1,"', "p.csv") == ("a", "b, c")
    assert parse_header("a;b,c;d\n", "p.csv") == ("a", "b,c", "d")


# --- JSON lines


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), min_size=1, max_size=5), st.booleans())
def test_json_lines_come_back(rows: list[tuple[str, str]], ascii_only: bool) -> None:
    content = "\r\n".join(
        json.dumps(dict(zip(HEADER, row, strict=True)), ensure_ascii=ascii_only) for row in rows
    )
    table = parse_json_lines(content, "p.jsonl", HEADER)
    assert [(row["imgId"], row["prompt"]) for row in table.rows] == rows


def test_json_values_are_texts() -> None:
    content = (
        '{"imgId": 7, "prompt": "x", "s": 0.50}\n\n{"imgId": 12345678901234567890, "prompt": null, "t": []}'
    )
    table = parse_json_lines(content, "p.jsonl", HEADER)
    assert table.columns == ("imgId", "prompt", "s", "t")
    assert table.rows[0] == {"imgId": "7", "prompt": "x", "s": "0.50", "t": ""}
    assert table.rows[1]["imgId"] == "12345678901234567890"
    assert table.rows[1]["prompt"] == ""
    assert table.lines == [1, 3]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"imgId": "a", "prompt": "x"}\n{"imgId": "b"', r"line 2: is not JSON"),
        ('["a", "x"]', "line 1: is no JSON object"),
        ('\n{"imgId": "a"}', r"line 2: has no 'prompt' \(it has: imgId\)"),
        ('{"imgId": "a", "prompt": ["x"]}', "line 1: 'prompt' is no text"),
        ('{"imgId": "a", "prompt": true}', "line 1: 'prompt' is no text"),
        ('{"imgId": "a", "prompt": "\\ud83d"}', r"line 1: has half a character \(\\ud83d\)"),
        ("\n", "has no rows"),
    ],
)
def test_json_lines_that_are_wrong(content: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_json_lines(content, "p.jsonl", HEADER)
