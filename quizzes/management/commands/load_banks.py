"""`manage.py load_banks`: bring items and labs to the state of fixtures/."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from quizzes.bank_files import BankFileError, bank_paths, read_bank, read_catalogue
from quizzes.banks import Loaded, load_banks
from quizzes.findings import Finding
from quizzes.item_specs import BankSpec
from quizzes.labs.files import LabFileError, load_labs
from quizzes.lint import lint


class Command(BaseCommand):
    help = "Load the item banks and labs of fixtures/ (idempotent; changed items get a new version)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--folder", type=Path, default=settings.FIXTURES_DIR, help="folder that holds banks/ and labs/")
        parser.add_argument(
            "--skip-broken", action="store_true", help="leave banks with errors as they were loaded last, and load the others"
        )

    def handle(self, *args: Any, folder: Path, skip_broken: bool, **options: Any) -> None:
        try:
            loaded = self._load_banks(folder / "banks", skip_broken)
            labs = load_labs(folder / "labs")
        except (BankFileError, LabFileError) as error:
            raise CommandError(str(error)) from error
        if options["verbosity"]:
            changed = f"{loaded.new_items} new, {loaded.new_versions} new versions, {loaded.retired} retired"
            self.stdout.write(f"{loaded.items} items ({changed}), {labs} labs.")

    def _load_banks(self, folder: Path, skip_broken: bool) -> Loaded:
        try:
            banks, errors = _checked(folder)
        except BankFileError as error:  # blueprints or misconceptions, which every bank needs
            if not skip_broken:
                raise
            self.stderr.write(f"All banks were left as they are: {error}")
            return Loaded(0, 0, 0, 0)
        if errors and not skip_broken:
            raise CommandError(f"The banks have {len(errors)} errors; nothing was loaded.\n{_listed(errors)}")
        if errors:
            self.stderr.write(f"Banks with errors were left as they are:\n{_listed(errors)}")
        return load_banks(folder, _without_errors(banks, errors), retire=not errors)


def _checked(folder: Path) -> tuple[list[BankSpec], list[Finding]]:
    """(the banks that can be read, errors): a file that cannot be read is an error of its own."""
    banks, errors = [], []
    for path in bank_paths(folder):
        try:
            banks.append(read_bank(path))
        except BankFileError as error:
            errors.append(Finding("error", "file", path.stem, str(error)))
    found = lint(banks, read_catalogue(folder), timezone.now().date())
    return banks, errors + [finding for finding in found if finding.level == "error"]


def _without_errors(banks: list[BankSpec], errors: list[Finding]) -> list[BankSpec]:
    """The banks that no error is about, neither as a whole nor in an item."""
    places = {error.where for error in errors}
    return [bank for bank in banks if not places & {bank.slug, *(item.key for item in bank.items)}]


def _listed(errors: list[Finding]) -> str:
    return "\n".join(f"  {finding.where}: {finding.message}" for finding in errors)
