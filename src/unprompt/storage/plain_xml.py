"""XML from strangers: read by a parser that knows no entities."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.parsers import expat

from unprompt.errors import InputError

if TYPE_CHECKING:
    from xml.parsers.expat import XMLParserType


def plain_parser(noun: str) -> XMLParserType:
    """An expat parser whose `Parse` raises InputError where a document defines an entity.

    Entities make a small file gigabytes large ("billion laughs"), or read other files. They are refused where
    the parser meets them, so in every encoding. `noun`: what the document is called in the message.
    """

    def refuse(*_: object) -> None:
        raise InputError(f"{noun} defines entities, which no drawing needs; save it without them")

    parser = expat.ParserCreate(namespace_separator="}")
    parser.EntityDeclHandler = refuse
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    return parser
