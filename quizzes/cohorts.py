"""The writes of cohorts: create one, join one."""

from django.db import IntegrityError, transaction

from quizzes.models import Cohort, Enrolment
from sandbox.public import Person


def create_cohort(instructor: Person, name: str) -> Cohort:
    """A cohort with a fresh join code; a code that is taken by chance is drawn again."""
    for _ in range(5):
        try:
            with transaction.atomic():
                return Cohort.objects.create(name=name, instructor=instructor)
        except IntegrityError:
            continue
    raise RuntimeError("No free join code in five draws of 40 bits.")


def join_cohort(user: Person, code: str) -> Cohort:
    """Enrol; joining twice is joining once. The code must exist."""
    cohort = Cohort.objects.get(join_code=code)
    Enrolment.objects.get_or_create(cohort=cohort, user=user)
    return cohort
