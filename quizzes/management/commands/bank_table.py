"""`manage.py bank_table`: what the banks hold, printed, or written into fixtures/banks/README.md."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from quizzes.bank_files import BankFileError, read_banks, read_catalogue
from quizzes.bank_table import bank_table, filled_in


class Command(BaseCommand):
    help = "Count the items by exam, objective, level, difficulty, kind and proof."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--folder", type=Path, default=settings.FIXTURES_DIR / "banks", help="folder with the bank files")
        parser.add_argument("--write", action="store_true", help="bring the folder's README.md up to date")

    def handle(self, *args: Any, folder: Path, write: bool, **options: Any) -> None:
        try:
            table = bank_table(read_banks(folder), read_catalogue(folder))
            if not write:
                self.stdout.write(table)
                return
            readme = folder / "README.md"
            readme.write_text(filled_in(readme.read_text(encoding="utf-8"), table), encoding="utf-8")
        except (BankFileError, OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{readme} is up to date.")
