"""`manage.py proofs`: run every proof against a running site; exit status 1 when one does not confirm what it is about."""

import sys
from argparse import ArgumentParser
from collections import Counter
from time import monotonic
from typing import Any

import httpx
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from quizzes.bank_files import read_banks
from quizzes.item_versions import spec_of
from quizzes.models import ItemVersion
from quizzes.proofs.checks import checks_of_version, versions_with_proofs
from quizzes.proofs.suite import WORKERS, Line, jobs_for, run_all
from quizzes.variant_files import record
from quizzes.variants import Computed, Wording, add_variants


def _need_site(site: str) -> None:
    """Say at once that no site is there, rather than after the time-outs of every proof."""
    try:
        answer = httpx.get(f"{site}/healthz", timeout=20, trust_env=False)
    except httpx.HTTPError as error:
        raise CommandError(f"No site answers at {site} ({error}). Start one with make run, or name one with --site.") from error
    if answer.status_code != 200:
        raise CommandError(f"The site at {site} is not ready: {answer.text[:500]}")


class Command(BaseCommand):
    help = "Run the proofs of all items against a running site. Keys must hold, distractors must fail as recorded."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("items", nargs="*", help="keys of the items to run (default: all that have proofs)")
        parser.add_argument("--site", default=settings.SITE_URL, help="address of the running site")
        parser.add_argument("--username", default="", help="run in this person's workspace instead of fresh ones")
        parser.add_argument("--workers", type=int, default=WORKERS, help="workspaces at once")
        parser.add_argument("--record", action="store_true", help="write the facts of computed items beside the banks")

    def handle(self, *args: Any, items: list[str], site: str, username: str, record: bool, **options: Any) -> None:
        user = None
        if username:
            user = get_user_model().objects.filter(username=username).first()
            if user is None:
                raise CommandError(f"There is no user {username!r}.")
        versions = versions_with_proofs(items)
        checks = [check for version in versions for check in checks_of_version(version)]
        if not checks:
            raise CommandError("There are no proofs to run; load the banks with manage.py load_banks.")
        _need_site(site)
        began = monotonic()
        lines = list(run_all(checks, site, user, options["workers"]))
        lines.sort(key=lambda line: (line.check.item_key, line.check.part))
        self._show(lines, len(jobs_for(checks)), monotonic() - began)
        _store(versions, lines)
        if record:
            self._record(lines)
        elif any(line.result.confirmed is not True for line in lines):
            sys.exit(1)

    def _show(self, lines: list[Line], runs: int, duration_s: float) -> None:
        width = max(len(line.check.item_key) for line in lines)
        for line in lines:
            word = {True: "ok", False: "WRONG", None: "ERROR"}[line.result.confirmed]
            place = f"{line.check.item_key:{width}}  {line.check.part:12}"
            self.stdout.write(f"{word:5}  {place}  {line.duration_s:5.1f} s  {line.result.message}")
            if line.result.confirmed is not True:
                self._show_difference(line)
        self._show_by_exam(lines)
        good = sum(line.result.confirmed is True for line in lines)
        items = len({line.check.item_key for line in lines})
        self.stdout.write(f"{good} of {len(lines)} proofs confirmed, {items} items, {runs} runs, {duration_s:.0f} s.")

    def _show_difference(self, line: Line) -> None:
        for comparison in line.result.comparisons:
            if not comparison.agrees:
                self.stdout.write(f"       {comparison.fact}: expected {comparison.expected}, got {comparison.got}")
        for exchange in line.result.observation.exchanges[-2:]:
            self.stdout.write(f"       {exchange.method} {exchange.path} {exchange.status} {exchange.response_body[:300]}")

    def _show_by_exam(self, lines: list[Line]) -> None:
        """Items, proofs and confirmed proofs by exam."""
        proofs = Counter(line.check.exam for line in lines)
        confirmed = Counter(line.check.exam for line in lines if line.result.confirmed is True)
        items = Counter(exam for exam, _ in {(line.check.exam, line.check.item_key) for line in lines})
        self.stdout.write(f"\n{'exam':26} {'items':>6} {'proofs':>7} {'confirmed':>10}")
        for exam in sorted(proofs):
            self.stdout.write(f"{exam or '(none)':26} {items[exam]:6} {proofs[exam]:7} {confirmed[exam]:10}")

    def _record(self, lines: list[Line]) -> None:
        """Write what the sandbox reported for computed items, to be loaded by every site."""
        folder = settings.FIXTURES_DIR / "banks"
        specs = {spec.key: spec for bank in read_banks(folder) for spec in bank.items if spec.kind == "computed"}
        found = {
            key: (specs[key], computed) for key, computed in _by_item(lines).items() if key in specs and all(_ran(lines, key))
        }
        record(folder, found, set(specs))
        self.stdout.write(f"Recorded the facts of {len(found)} items in {folder}.")


def _store(versions: list[ItemVersion], lines: list[Line]) -> None:
    """Versions that had no variants yet get those that were computed now, and can be asked."""
    computed = _by_item(lines)
    for version in versions:
        key = version.item.key
        if key in computed and all(_ran(lines, key)) and not version.variants.exists():
            add_variants(version, Wording.of_spec(spec_of(version)), computed[key])


def _by_item(lines: list[Line]) -> dict[str, list[Computed]]:
    """What was computed for each item, in the order of its combinations."""
    found: dict[str, list[tuple[int, Computed]]] = {}
    for line in lines:
        if line.check.combination is not None:
            number = int(line.check.part.split()[-1])
            found.setdefault(line.check.item_key, []).append((number, line.check.combination.computed(line.facts)))
    return {key: [one for _, one in sorted(numbered, key=lambda pair: pair[0])] for key, numbered in found.items()}


def _ran(lines: list[Line], key: str) -> list[bool]:
    return [line.result.confirmed is not None for line in lines if line.check.item_key == key]
