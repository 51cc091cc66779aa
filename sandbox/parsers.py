"""JSON in and out: bodies with text that nothing could hold are refused, and answers are JSON whatever Accept asks for."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

SUSPECT = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
UNSTORABLE = re.compile(r"[\ud800-\udfff]|(?<!\\)(?:\\\\)*\\u0000")
"""In JSON that is written without ASCII escapes: half of a surrogate pair, or NUL."""

MAX_DEPTH = 64


class JsonParser(JSONParser):
    """JSON without NUL characters and lone surrogates, and not nested deeper than MAX_DEPTH."""

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        try:
            body = stream.read().decode()
            parsed = json.loads(body, parse_constant=_refuse)
            text = json.dumps(parsed, ensure_ascii=False) if SUSPECT.search(body) else ""
        except (ValueError, RecursionError) as error:
            raise ParseError(f"JSON parse error - {error}") from error
        if _is_deep(parsed):
            raise ParseError(f"It is nested deeper than {MAX_DEPTH} levels.")
        if UNSTORABLE.search(text):
            raise ParseError("It contains a NUL character or half of a surrogate pair, which is no text.")
        return parsed


class JsonForAll(BaseContentNegotiation):
    """Clients ask for text/plain where they read raw bytes, and send JSON under other names: neither is a reason to refuse."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


def _is_deep(parsed: Any) -> bool:
    """Whether it has more than MAX_DEPTH levels; goes down level by level, because whoever recurses over it later may not."""
    level = [parsed]
    for _ in range(MAX_DEPTH + 1):
        level = [
            child
            for value in level
            if isinstance(value, dict | list)
            for child in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON; send null or leave the field out")
