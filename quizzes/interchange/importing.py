"""An import from upload to end: kept, planned as a dry run, and stored as a whole or not at all."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from quizzes.bank_files import BankFileError
from quizzes.banks import add_to_form, load_item
from quizzes.interchange import uploads
from quizzes.interchange.formats import FORMATS
from quizzes.interchange.planning import Planned, make_plan
from quizzes.interchange.plans import Entry, Plan, Wishes
from quizzes.interchange.report import Unreadable
from quizzes.interchange.shelf import Shelf, read_shelf
from quizzes.item_specs import ItemSpec
from quizzes.models import Form, ImportRun, ItemEvent, Objective
from quizzes.publishing import banks_folder, only_writer
from quizzes.queue import QueueAway, enqueue
from quizzes.variant_files import write_atomically
from sandbox.public import Person

log = logging.getLogger(__name__)

READ_TASK = "quizzes.read_import"
STORE_TASK = "quizzes.store_import"
FORGET_TASK = "quizzes.forget_uploads"
LONGEST_SILENCE = timedelta(minutes=2)
"""After which work in progress counts as dead; each 50 items it says that it lives."""
AWAY = "The site's background worker cannot be reached; nothing was stored. Try again in a moment."
GONE = "The file was kept for an hour and is gone. Upload it again; nothing was stored."
CHANGED = "The banks have changed since the dry run. This is the new one; nothing was stored yet."


def begin(user: Person, file_name: str, data: bytes, form: str, wishes: Wishes) -> ImportRun:
    """Keep the file and have the background worker read it."""
    run = keep(user, file_name, data, form, wishes)
    _send(run, READ_TASK)
    return run


def keep(user: Person, file_name: str, data: bytes, form: str, wishes: Wishes) -> ImportRun:
    """The file and what is to be done with it, for the worker to find."""
    run = ImportRun.objects.create(
        user=user, file_name=file_name[-200:], format=form, wishes=asdict(wishes), message="Waiting for the background worker."
    )
    uploads.keep(run.pk, data)
    return run


def confirm(run: ImportRun, *, without_refused: bool) -> bool:
    """Have the worker store what the dry run has shown; False when the plan does not allow that."""
    plan = plan_of(run)
    if run.state != ImportRun.State.PLANNED or plan.problems or (plan.count("refused") and not without_refused):
        return False
    waiting = ImportRun.objects.filter(pk=run.pk, state=ImportRun.State.PLANNED)
    said = "Waiting for the background worker."
    if waiting.update(state=ImportRun.State.CONFIRMED, without_refused=without_refused, message=said, started_at=None):
        run.refresh_from_db()
        _send(run, STORE_TASK)
    return True


def discard(run: ImportRun) -> None:
    """Forget the file; nothing was stored."""
    ended = {ImportRun.State.STORED, ImportRun.State.REFUSED, ImportRun.State.CONFIRMED, ImportRun.State.STORING}
    waiting = ImportRun.objects.filter(pk=run.pk).exclude(state__in=ended)
    if waiting.update(state=ImportRun.State.GONE, message="You gave the import up; nothing was stored."):
        uploads.forget(run.pk)


def plan_of(run: ImportRun) -> Plan:
    """The plan as the run keeps it."""
    kept = run.plan or {}
    entries = [Entry(**entry) for entry in kept.get("entries", [])]
    return Plan(entries, [(where, words) for where, words in kept.get("losses", [])], list(kept.get("problems", [])))


def wishes_of(run: ImportRun) -> Wishes:
    return Wishes(**run.wishes)


# --- what the worker does ------------------------------------------------------------------------


def read_import(run_id: int) -> bool:
    """The dry run; False when another worker is at it, which may have died."""
    run = _claimed(run_id, ImportRun.State.QUEUED, ImportRun.State.READING)
    if run is not None:
        _guarded(run, _read)
    return not ImportRun.objects.filter(pk=run_id, state=ImportRun.State.READING).exists()


def store_import(run_id: int) -> bool:
    """Store what was confirmed; False when another worker is at it, which may have died."""
    run = _claimed(run_id, ImportRun.State.CONFIRMED, ImportRun.State.STORING)
    if run is not None:
        _guarded(run, _store)
    return not ImportRun.objects.filter(pk=run_id, state=ImportRun.State.STORING).exists()


def forget_uploads() -> None:
    """Files older than an hour go, and the runs that waited for a word say so."""
    uploads.forget_old()
    waiting = {ImportRun.State.QUEUED, ImportRun.State.READING, ImportRun.State.PLANNED}
    old = ImportRun.objects.filter(state__in=waiting, created_at__lt=timezone.now() - timedelta(seconds=uploads.KEPT_S))
    old.update(state=ImportRun.State.GONE, message=GONE)


def _claimed(run_id: int, waits: str, works: str) -> ImportRun | None:
    """Make this process the one that does it; work that is too old to be alive is claimed again."""
    stale = timezone.now() - LONGEST_SILENCE
    mine = ImportRun.objects.filter(pk=run_id, state=waits) | ImportRun.objects.filter(
        pk=run_id, state=works, started_at__lt=stale
    )
    if not mine.update(state=works, started_at=timezone.now(), done=0, message="Reading the file."):
        return None
    return ImportRun.objects.select_related("user").get(pk=run_id)


def _guarded(run: ImportRun, work: Any) -> None:
    """Do the work; whatever goes wrong is said, and nothing is stored."""
    try:
        data = uploads.read(run.pk)
        if data is None:
            _end(run, ImportRun.State.GONE, GONE)
        else:
            work(run, data)
    except Unreadable as error:
        _end(run, ImportRun.State.REFUSED, f"{error} Nothing was stored.")
    except (BankFileError, OSError) as error:
        _end(run, ImportRun.State.REFUSED, f"{error} Nothing was stored.")
    except Exception:
        log.exception("import %s failed", run.pk)
        _end(run, ImportRun.State.REFUSED, "The file could not be read because of an error of this site; nothing was stored.")


def _read(run: ImportRun, data: bytes) -> None:
    planned = _plan(run, data, read_shelf(banks_folder()))
    _keep_plan(run, planned.plan, "")


def _store(run: ImportRun, data: bytes) -> None:
    """Plan once more under the lock; what was confirmed is stored, anything else is shown first."""
    with only_writer():
        if not ImportRun.objects.filter(pk=run.pk, state=ImportRun.State.STORING).exists():
            return  # another worker has stored it in the meantime
        planned = _plan(run, data, shelf := read_shelf(banks_folder()))
        if planned.plan.digest != plan_of(run).digest:
            _keep_plan(run, planned.plan, CHANGED)
            return
        ImportRun.objects.filter(pk=run.pk).update(message="Storing the items.")
        _write(run, planned, shelf)
    uploads.forget(run.pk)


def _summary(plan: Plan) -> str:
    said = f"{plan.count('new')} new, {plan.count('changed')} changed, {plan.count('same')} as they were"
    return f"{said}; {plan.count('refused')} left out." if plan.count("refused") else f"{said}."


def _plan(run: ImportRun, data: bytes, shelf: Shelf) -> Planned:
    def tell(done: int, total: int) -> None:
        ImportRun.objects.filter(pk=run.pk).update(
            done=done, total=total, message=f"{done} of {total} items are read.", started_at=timezone.now()
        )

    return make_plan(data, FORMATS[run.format], wishes_of(run), shelf, timezone.now().date(), tell)


def _keep_plan(run: ImportRun, plan: Plan, message: str) -> None:
    _end(run, ImportRun.State.PLANNED, message, plan=asdict(plan), total=len(plan.entries), done=len(plan.entries))


def _write(run: ImportRun, planned: Planned, shelf: Shelf) -> None:
    """All banks and rows, or none: the rows are rolled back and the files put back when a file cannot be written."""
    wishes = wishes_of(run)
    written: list[str] = []
    try:
        with transaction.atomic():
            for bank, specs in planned.specs.items():
                _load(run, bank, specs, wishes)
            _end(run, ImportRun.State.STORED, _summary(planned.plan))
            for bank, text in planned.texts.items():
                write_atomically(shelf.paths.get(bank, shelf.folder / f"{bank}.yaml"), text)
                written.append(bank)
    except BaseException:
        _put_back(written, shelf)
        raise


def _put_back(written: list[str], shelf: Shelf) -> None:
    for bank in written:
        with suppress(OSError):
            if bank in shelf.texts:
                write_atomically(shelf.paths[bank], shelf.texts[bank])
            else:
                Path(shelf.folder / f"{bank}.yaml").unlink(missing_ok=True)


def _load(run: ImportRun, bank: str, specs: list[ItemSpec], wishes: Wishes) -> None:
    """Versions, places in the bank's question set, and an audit entry for each item."""
    if bank == wishes.bank and wishes.title:
        fields = {"title": wishes.title, "description": "Imported items."}
        Form.objects.get_or_create(slug=bank.replace("_", "-"), defaults=fields)
    events = []
    for spec in specs:
        try:
            item, is_new, _ = load_item(bank, spec)
        except Objective.DoesNotExist:
            raise BankFileError(f"The objective {spec.objective!r} is not loaded yet; run manage.py load_banks.") from None
        if is_new:
            add_to_form(bank, item)
        number = item.current.number if item.current else 0
        said = f"From {run.file_name} ({FORMATS[run.format].name}); version {number}."
        events.append(ItemEvent(item=item, kind=ItemEvent.Kind.IMPORTED, detail=said, actor=run.user))
    ItemEvent.objects.bulk_create(events)


def _send(run: ImportRun, task: str) -> None:
    try:
        enqueue(task, run.pk)
    except QueueAway:
        back = ImportRun.State.PLANNED if task == STORE_TASK else ImportRun.State.REFUSED
        _end(run, back, AWAY)


def _end(run: ImportRun, state: str, message: str, **fields: Any) -> None:
    values: Mapping[str, Any] = {"state": state, "message": message[:2000], "finished_at": timezone.now(), **fields}
    ImportRun.objects.filter(pk=run.pk).update(**values)
    for name, value in values.items():
        setattr(run, name, value)
    if state in {ImportRun.State.REFUSED, ImportRun.State.GONE}:
        uploads.forget(run.pk)
