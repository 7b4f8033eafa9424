"""The texts in XMP, an XML of RDF: each by the name of the property that it stands in, entities refused."""

from __future__ import annotations

from contextlib import suppress
from xml.parsers import expat

MOST_BYTES = 1 << 22
MOST_DEPTH = 64
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_STRUCTURE = {f"{RDF}{name}" for name in ("RDF", "Description", "Alt", "Seq", "Bag", "li")}
ITEM, ALTERNATIVES = f"{RDF}li", f"{RDF}Alt"
PROPERTY_BY_NAME = {
    "http://purl.org/dc/elements/1.1/description": "dc:description",
    "http://ns.adobe.com/exif/1.0/UserComment": "exif:UserComment",
    "http://ns.adobe.com/xap/1.0/CreatorTool": "xmp:CreatorTool",
    "http://ns.adobe.com/tiff/1.0/Make": "tiff:Make",
    "http://ns.adobe.com/tiff/1.0/Model": "tiff:Model",
    "http://ns.adobe.com/tiff/1.0/Software": "tiff:Software",
}


class _RefusedError(Exception):
    """The document is not one that is read: too deep, or with entities of its own."""


def read_xmp(data: bytes) -> dict[str, str]:
    """The texts of the properties that are known here; of a damaged document, those before the damage."""
    if len(data) > MOST_BYTES:
        return {}
    texts: dict[str, str] = {}
    open_names: list[str] = []
    pieces: list[str] = []

    def begin(name: str, attributes: dict[str, str]) -> None:
        if len(open_names) >= MOST_DEPTH:
            raise _RefusedError
        open_names.append(name)
        if name not in _STRUCTURE:
            pieces.clear()
        for key, value in attributes.items():
            if key in PROPERTY_BY_NAME:
                texts.setdefault(PROPERTY_BY_NAME[key], value.strip())

    def end(name: str) -> None:
        open_names.pop()
        if name == ITEM and open_names[-1:] == [ALTERNATIVES]:  # of a text in several languages the first
            name = next(filter(PROPERTY_BY_NAME.get, open_names[-2:-1]), "")
        if name in PROPERTY_BY_NAME and (text := "".join(pieces).strip()):
            texts.setdefault(PROPERTY_BY_NAME[name], text)

    def refuse(*_: object) -> None:
        raise _RefusedError

    parser = expat.ParserCreate(namespace_separator="")
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = pieces.append
    parser.EntityDeclHandler = refuse
    with suppress(expat.ExpatError, _RefusedError, ValueError, LookupError):  # the last: unknown encodings
        parser.Parse(data.strip(b"\0 \t\r\n"), True)
    return texts
