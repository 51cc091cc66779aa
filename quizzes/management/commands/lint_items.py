"""`manage.py lint_items`: check the item banks; exit status 1 when there is an error."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from quizzes.bank_files import BankFileError, read_banks, read_catalogue
from quizzes.lint import lint


class Command(BaseCommand):
    help = "Check the item banks: errors block loading, warnings are listed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--folder", type=Path, default=settings.FIXTURES_DIR / "banks", help="folder with the bank files")

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        try:
            banks = read_banks(folder)
            findings = lint(banks, read_catalogue(folder), timezone.now().date())
        except BankFileError as error:
            raise CommandError(str(error)) from error
        for finding in findings:
            self.stdout.write(f"{finding.level:7}  {finding.where}  [{finding.rule}]  {finding.message}")
        errors = sum(finding.level == "error" for finding in findings)
        items = sum(len(bank.items) for bank in banks)
        self.stdout.write(f"{items} items, {errors} errors, {len(findings) - errors} warnings.")
        if errors:
            sys.exit(1)
