"""E-mails about the end of an update: written in the transaction that ends it, sent afterwards, tried again on failure."""

import logging
from datetime import timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from sandbox.control_queue import enqueue
from sandbox.serving.control_queue import NOTIFY
from sandbox.serving.models import Endpoint, Notification

log = logging.getLogger(__name__)

MAX_TRIES = 6
FIRST_PAUSE = timedelta(seconds=30)
KEPT = timedelta(days=7)
ENDINGS = {"on_update_success": "is updated", "on_update_failure": "could not be updated"}


def write(endpoint: Endpoint, occasion: str, config_version: int, message: str) -> None:
    """Note who is to be told of an `occasion` (a field of `email_notifications`); part of the caller's transaction."""
    asked = Endpoint.objects.values_list("email_notifications", flat=True).filter(id=endpoint.id).first() or {}
    recipients = asked.get(occasion) or []
    if not recipients:
        return
    notification = Notification.objects.create(
        workspace_id=endpoint.workspace_id,
        recipients=recipients,
        subject=f"Serving endpoint {endpoint.name} {ENDINGS[occasion]}",
        body=f"Config {config_version} of the serving endpoint {endpoint.name}: {message}\n\n"
        f"{settings.SITE_URL}/sandbox/serving/{endpoint.name}/\n",
    )
    transaction.on_commit(lambda: enqueue(NOTIFY, str(notification.pk)))


def send(notification_id: int) -> None:
    """Send one that is due. A process that dies between sending and noting sends it twice, never not at all."""
    now = timezone.now()
    due = Notification.objects.filter(pk=notification_id, sent_at=None, try_after__lte=now, tries__lt=MAX_TRIES)
    notification = due.first()
    if notification is None:
        return
    pause = FIRST_PAUSE * 2**notification.tries
    if not due.filter(tries=notification.tries).update(tries=F("tries") + 1, try_after=now + pause):
        return  # somebody else has it in hand
    try:
        EmailMessage(notification.subject, notification.body, to=notification.recipients).send()
    except (SMTPException, OSError) as error:
        log.warning("notification %s was not sent at try %s: %s", notification.pk, notification.tries + 1, error)
    else:
        Notification.objects.filter(pk=notification.pk).update(sent_at=timezone.now())


def send_due() -> None:
    """Whatever has waited long enough; forgets old ones."""
    now = timezone.now()
    Notification.objects.filter(created_at__lt=now - KEPT).delete()
    for pk in Notification.objects.filter(sent_at=None, try_after__lte=now, tries__lt=MAX_TRIES).values_list("pk", flat=True):
        send(pk)
