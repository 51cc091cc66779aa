"""The rows of the study side."""

from quizzes.models.attempts import Attempt, AttemptItem, Response
from quizzes.models.cohorts import Assignment, Cohort, Enrolment
from quizzes.models.exams import Blueprint, BlueprintLine, Exam, Form, FormItem, Objective
from quizzes.models.imports import ImportRun
from quizzes.models.items import Item, ItemEvent, ItemVariant, ItemVersion, Kind, Option, ProblemReport
from quizzes.models.key_fixes import KeyCorrection, KeyFix
from quizzes.models.labs import CheckResult, Lab, LabRun
from quizzes.models.proofs import DraftProof, ProofRun

__all__ = [
    "Assignment",
    "Attempt",
    "AttemptItem",
    "Blueprint",
    "BlueprintLine",
    "CheckResult",
    "Cohort",
    "DraftProof",
    "Enrolment",
    "Exam",
    "Form",
    "FormItem",
    "ImportRun",
    "Item",
    "ItemEvent",
    "ItemVariant",
    "ItemVersion",
    "KeyCorrection",
    "KeyFix",
    "Kind",
    "Lab",
    "LabRun",
    "Objective",
    "Option",
    "ProblemReport",
    "ProofRun",
    "Response",
]
