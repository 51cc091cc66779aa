"""What a new item begins as, by kind: the fields that it needs, to be filled in."""

from datetime import date, timedelta

from quizzes.lint_rules import LONGEST_LIFE_DAYS

_HEAD = """key: {key}
kind: {kind}
exam: ml-associate
objective: query-custom-model
bloom: apply
difficulty: medium
stem: |
  {stem}
source:
  url: https://
  dated: {today}
  product_version: documentation of {month}
checked_on: {today}
expires_on: {expires}
no_proof: Say why nothing can be run, or give proofs and take this line away.
"""
_STEMS = {
    "single": "Describe a case in a sentence or two. Then ask one question?",
    "multiple": "Describe a case in a sentence or two. Then ask for two things? Select two.",
    "ordering": "Describe a case. Put the steps in order.",
    "matching": "Match each line with what belongs to it.",
    "computed": "Describe a case with {{first}} percent. Then ask for a figure?",
}


def skeleton(key: str, kind: str, today: date) -> str:
    """The YAML of a new item; the linter says what is still to be done."""
    head = _HEAD.format(
        key=key,
        kind=kind,
        stem=_STEMS[kind],
        today=today.isoformat(),
        month=today.strftime("%B %Y"),
        expires=(today + timedelta(days=LONGEST_LIFE_DAYS)).isoformat(),
    )
    without_excuse = head[: head.index("no_proof:")] if kind == "computed" else head
    return without_excuse + _BODIES[kind]()


def _options(count: int, keys: tuple[int, ...]) -> str:
    lines = ["options:"]
    for number in range(1, count + 1):
        lines += [f"  - text: Choice {number}", *(["    key: true"] if number in keys else [])]
        lines += ["    rationale: Why it is right or wrong.", "    misconception: tag-of-a-belief"]
    return "\n".join(lines) + "\n"


def _listed(name: str, count: int, first: str, second: str = "") -> str:
    lines = [f"{name}:"]
    for number in range(1, count + 1):
        lines += [f"  - {first} {number}", *([f"    {second} {number}"] if second else [])]
        lines += ["    rationale: Why it stands here.", "    misconception: tag-of-a-belief"]
    return "\n".join(lines) + "\n"


def _computed() -> str:
    compute = 'parameters: {first: [90, 80, 70]}\ncompute: {program: share_out, arguments: {first: "{{first}}", calls: 200}}\n'
    key = "options:\n  - fact: expected_second\n    key: true\n    rationale: Why.\n    misconception: tag-of-a-belief\n"
    rest = "".join(
        f"  - {text}\n    rationale: Why not.\n    misconception: tag-of-a-belief\n"
        for text in ("fact: expected_first", "fact: half", 'text: "200"')
    )
    return compute + key + rest


_BODIES = {
    "single": lambda: _options(4, (1,)),
    "multiple": lambda: _options(5, (1, 2)),
    "ordering": lambda: _listed("steps", 4, "text: Step"),
    "matching": lambda: _listed("pairs", 3, "prompt: Prompt", "match: Match") + "extra_matches: [Another match]\n",
    "computed": _computed,
}
