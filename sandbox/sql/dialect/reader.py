"""Reads statements that are no queries, word by word; expressions and queries within them go to sqlglot."""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any, ClassVar, NoReturn

from sqlglot.dialects.databricks import Databricks
from sqlglot.errors import TokenError
from sqlglot.tokens import Token, TokenType

from sandbox.sql.refusals import Refused

_BODY = re.compile(r"\bAS\s+\$\$(.*?)\$\$\s*;?\s*\Z", re.DOTALL | re.IGNORECASE)
_BODY_MARK = "AS '$$body$$'"
_NO_WORDS = {TokenType.STRING, TokenType.RAW_STRING, TokenType.IDENTIFIER, TokenType.NUMBER}


class _Words(Databricks.Tokenizer):  # type: ignore[misc]  # sqlglot has no types here
    """Databricks' own words, but nothing is taken for a command whose rest is one text."""

    COMMANDS: ClassVar[set[TokenType]] = set()


class Reader:
    """The words of one statement, and a place among them."""

    def __init__(self, sql: str) -> None:
        """Raises Refused when the text cannot be split into words, or is more than one statement."""
        body = _BODY.search(sql)
        self.body = body[1] if body else None
        """Between $$ and $$, as it was written."""
        self.sql = sql if body is None else sql[: body.start()] + _BODY_MARK
        try:
            tokens = _Words().tokenize(self.sql)
        except TokenError as error:
            near = " ".join(str(error).split())[-60:]
            raise Refused(f"[PARSE_SYNTAX_ERROR] The statement could not be read, near: {near}") from None
        while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
            tokens.pop()
        count = 1 + sum(1 for token in tokens if token.token_type == TokenType.SEMICOLON)
        if count > 1:
            raise Refused(f"Only one statement can be run at a time; there are {count} here.")
        self._tokens: list[Token] = tokens
        self._at = 0

    @property
    def is_empty(self) -> bool:
        return not self._tokens

    @property
    def is_done(self) -> bool:
        return self._at >= len(self._tokens)

    def word(self, ahead: int = 0) -> str:
        """The word in capitals, or the punctuation; "" for strings, numbers, quoted names and the end."""
        at = self._at + ahead
        if at >= len(self._tokens) or self._tokens[at].token_type in _NO_WORDS:
            return ""
        return str(self._tokens[at].text).upper()

    def accept(self, *words: str) -> bool:
        """Go past the words if they are next."""
        # some pairs of words are one token of sqlglot's
        joined: list[str] = []
        ahead = 0
        while len(joined) < len(words) and (part := self.word(ahead)):
            joined += part.split()
            ahead += 1
        if tuple(joined) != words:
            return False
        self._at += ahead
        return True

    def accept_one(self, *words: str) -> str:
        """Go past one of the words if it is next; "" when none is."""
        return next((word for word in words if self.accept(*word.split())), "")

    def expect(self, *words: str) -> None:
        if not self.accept(*words):
            self.fail(f"{' '.join(words)} was expected")

    def expect_one(self, *words: str) -> str:
        return self.accept_one(*words) or self.fail(f"one of {', '.join(words)} was expected")

    def identifier(self, what: str = "a name") -> str:
        """One part of a name."""
        if self.is_done:
            self.fail(f"{what} was expected")
        token = self._tokens[self._at]
        is_quoted = token.token_type == TokenType.IDENTIFIER
        if (not is_quoted and not re.fullmatch(r"\w+", str(token.text))) or token.token_type in _NO_WORDS - {
            TokenType.IDENTIFIER
        }:
            self.fail(f"{what} was expected")
        self._at += 1
        return str(token.text)

    def name(self, what: str = "a name") -> list[str]:
        """The parts of a name of any number of levels."""
        parts = [self.identifier(what)]
        while self.accept("."):
            parts.append(self.identifier(what))
        return parts

    def string(self, what: str = "a text in quotes") -> str:
        """Texts that stand side by side are one."""
        if not self.is_string():
            self.fail(f"{what} was expected")
        text = ""
        while self.is_string():
            text += str(self._tokens[self._at].text)
            self._at += 1
        return text

    def is_string(self) -> bool:
        return not self.is_done and self._tokens[self._at].token_type in {TokenType.STRING, TokenType.RAW_STRING}

    def value(self) -> str:
        """A text, a number, or a word such as true, as text."""
        if self.is_done:
            self.fail("a value was expected")
        sign = "-" if self.accept("-") else ""
        self._at += 1
        return sign + str(self._tokens[self._at - 1].text)

    def whole_number(self, what: str) -> int:
        if self.is_done or not str(self._tokens[self._at].text).isdecimal():
            self.fail(f"{what} was expected")
        self._at += 1
        return int(self._tokens[self._at - 1].text)

    def listed(self, one: Callable[[], Any]) -> list[Any]:
        """What stands in parentheses, separated by commas."""
        self.expect("(")
        found = [one()]
        while self.accept(","):
            found.append(one())
        self.expect(")")
        return found

    def text_until(self, *stops: str) -> str:
        """The source text up to a comma or closing parenthesis of this level, one of the words, or the end."""
        depth, first = 0, self._at
        while not self.is_done:
            word = self.word()
            if depth == 0 and (word in {",", ")"} or (word.split()[:1] and word.split()[0] in stops)):
                break
            # `>>` closes two levels of array<array<int>>
            depth += {"(": 1, "<": 1, "[": 1, ")": -1, ">": -1, "]": -1, ">>": -2}.get(word, 0)
            self._at += 1
        if self._at == first:
            self.fail("something is missing")
        return self.sql[self._tokens[first].start : self._tokens[self._at - 1].end + 1]

    def rest(self) -> str:
        """The source text from here on."""
        if self.is_done:
            self.fail("something is missing")
        text = self.sql[self._tokens[self._at].start :]
        self._at = len(self._tokens)
        return text.rstrip().rstrip(";")

    def end(self) -> None:
        """Nothing may follow."""
        if not self.is_done:
            self.fail("nothing more was expected, or it is not supported here")

    def fail(self, problem: str) -> NoReturn:
        near = self.sql[: self._tokens[self._at].end + 1] if not self.is_done else self.sql
        raise Refused(f'[PARSE_SYNTAX_ERROR] The statement could not be read at "{" ".join(near.split())[-60:]}": {problem}.')


def with_quoted_windows(sql: str) -> str:
    """The text with `window` in backticks where it is a function after GROUP BY, which sqlglot takes for the WINDOW clause."""
    if "window" not in sql.lower():
        return sql
    try:
        tokens = _Words().tokenize(sql)
    except TokenError:  # whoever parses it says so
        return sql
    for token, after in reversed(list(pairwise(tokens))):
        if token.token_type == TokenType.WINDOW and after.token_type == TokenType.L_PAREN:
            sql = f"{sql[: token.start]}`window`{sql[token.end + 1 :]}"
    return sql
