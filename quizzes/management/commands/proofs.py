"""`manage.py proofs`: run every proof against a running site; exit status 1 when one does not confirm its option."""

import sys
from argparse import ArgumentParser
from time import monotonic
from typing import Any

import httpx
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from quizzes.proofs.suite import Line, options_with_proofs, run_all


def _need_site(site: str) -> None:
    """Say at once that no site is there, rather than after the time-outs of every proof."""
    try:
        answer = httpx.get(f"{site}/healthz", timeout=20, trust_env=False)
    except httpx.HTTPError as error:
        raise CommandError(f"No site answers at {site} ({error}). Start one with make run, or name one with --site.") from error
    if answer.status_code != 200:
        raise CommandError(f"The site at {site} is not ready: {answer.text[:500]}")


class Command(BaseCommand):
    help = "Run the proofs of all options against a running site. Keys must hold, distractors must fail as recorded."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("items", nargs="*", help="keys of the items to run (default: all that have proofs)")
        parser.add_argument("--site", default=settings.SITE_URL, help="address of the running site")
        parser.add_argument("--username", default="", help="run in this person's workspace instead of fresh ones")

    def handle(self, *args: Any, items: list[str], site: str, username: str, **options: Any) -> None:
        user = None
        if username:
            user = get_user_model().objects.filter(username=username).first()
            if user is None:
                raise CommandError(f"There is no user {username!r}.")
        groups = options_with_proofs(items)
        if not groups:
            raise CommandError("There are no proofs to run; load the banks with manage.py load_banks.")
        _need_site(site)
        began = monotonic()
        lines = sorted(run_all(groups, site, user), key=lambda line: (line.item_key, line.position))
        self._show(lines, monotonic() - began)
        if any(line.result.confirmed is not True for line in lines):
            sys.exit(1)

    def _show(self, lines: list[Line], duration_s: float) -> None:
        width = max(len(line.item_key) for line in lines)
        for line in lines:
            word = {True: "ok", False: "WRONG", None: "ERROR"}[line.result.confirmed]
            role = "key" if line.is_key else "distractor"
            place = f"{line.item_key:{width}}  {line.position}  {role:10}"
            self.stdout.write(f"{word:5}  {place}  {line.duration_s:5.1f} s  {line.result.message}")
            if line.result.confirmed is not True:
                self._show_difference(line)
        good = sum(line.result.confirmed is True for line in lines)
        items = len({line.item_key for line in lines})
        self.stdout.write(f"{good} of {len(lines)} proofs confirmed, {items} items, {duration_s:.0f} s.")

    def _show_difference(self, line: Line) -> None:
        for comparison in line.result.comparisons:
            if not comparison.agrees:
                self.stdout.write(f"       {comparison.fact}: expected {comparison.expected}, got {comparison.got}")
        for exchange in line.result.observation.exchanges[-2:]:
            self.stdout.write(f"       {exchange.method} {exchange.path} {exchange.status} {exchange.response_body[:300]}")
