"""`manage.py load_banks`: bring items and labs to the state of fixtures/."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from quizzes.bank_files import BankFileError, read_banks, read_catalogue
from quizzes.banks import load_banks
from quizzes.labs.files import LabFileError, load_labs
from quizzes.lint import lint


class Command(BaseCommand):
    help = "Load the item banks and labs of fixtures/ (idempotent; changed items get a new version)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--folder", type=Path, default=settings.FIXTURES_DIR, help="folder that holds banks/ and labs/")

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        banks_folder = folder / "banks"
        try:
            findings = lint(read_banks(banks_folder), read_catalogue(banks_folder), timezone.now().date())
            if errors := [finding for finding in findings if finding.level == "error"]:
                listed = "\n".join(f"  {finding.where}: {finding.message}" for finding in errors)
                raise CommandError(f"The banks have {len(errors)} errors; nothing was loaded.\n{listed}")
            loaded = load_banks(banks_folder)
            labs = load_labs(folder / "labs")
        except (BankFileError, LabFileError) as error:
            raise CommandError(str(error)) from error
        if options["verbosity"]:
            changed = f"{loaded.new_items} new, {loaded.new_versions} new versions, {loaded.retired} retired"
            self.stdout.write(f"{loaded.items} items ({changed}), {labs} labs.")
