"""What the linter says: a finding names the rule, the place and what would help."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]
Problem = tuple[Level, str]
"""Level and sentence, as a rule yields them; the rule's name and the place are added by the caller."""


@dataclass(frozen=True)
class Finding:
    """One breach of a rule. `where` is a bank, an exam or an item key."""

    level: Level
    rule: str
    where: str
    message: str
