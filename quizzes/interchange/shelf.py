"""The bank files as an import finds them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quizzes.bank_files import bank_paths, parse_bank, parse_mapping, read_catalogue
from quizzes.item_specs import BankSpec, Catalogue, ItemSpec


@dataclass
class Shelf:
    """The bank files as they are: texts, what they say, and each item's mapping."""

    folder: Path
    catalogue: Catalogue
    paths: dict[str, Path] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    banks: dict[str, BankSpec] = field(default_factory=dict)
    raw: dict[str, dict[str, Any]] = field(default_factory=dict)
    home: dict[str, str] = field(default_factory=dict)
    """Item key -> bank."""

    @property
    def specs(self) -> dict[str, ItemSpec]:
        return {item.key: item for bank in self.banks.values() for item in bank.items}


def read_shelf(folder: Path) -> Shelf:
    """All bank files; raises BankFileError when one cannot be read, since its keys would be unknown."""
    shelf = Shelf(folder, read_catalogue(folder))
    for path in bank_paths(folder):
        text = path.read_text(encoding="utf-8")
        bank = parse_bank(text, path.name)
        shelf.paths[bank.slug], shelf.texts[bank.slug], shelf.banks[bank.slug] = path, text, bank
        for raw in parse_mapping(text, path.name)["items"]:
            shelf.raw[raw["key"]], shelf.home[raw["key"]] = raw, bank.slug
    return shelf
