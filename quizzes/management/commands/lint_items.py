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
        parser.add_argument("banks", nargs="*", help="say only what is about these banks (default: all)")
        parser.add_argument("--folder", type=Path, default=settings.FIXTURES_DIR / "banks", help="folder with the bank files")

    def handle(self, *args: Any, banks: list[str], folder: Path, **options: Any) -> None:
        try:
            read = read_banks(folder)
            findings = lint(read, read_catalogue(folder), timezone.now().date())
        except BankFileError as error:
            raise CommandError(str(error)) from error
        chosen = [bank for bank in read if not banks or bank.slug in banks]
        if unknown := set(banks) - {bank.slug for bank in read}:
            raise CommandError(f"There is no bank {', '.join(sorted(unknown))}.")
        if banks:
            places = {bank.slug for bank in chosen} | {item.key for bank in chosen for item in bank.items}
            findings = [finding for finding in findings if finding.where in places]
        for finding in findings:
            self.stdout.write(f"{finding.level:7}  {finding.where}  [{finding.rule}]  {finding.message}")
        errors = sum(finding.level == "error" for finding in findings)
        items = sum(len(bank.items) for bank in chosen)
        self.stdout.write(f"{items} items, {errors} errors, {len(findings) - errors} warnings.")
        if errors:
            sys.exit(1)
