"""What the banks hold, by exam, objective, level, difficulty, kind and proof: tables for fixtures/banks/README.md; pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from quizzes.item_specs import KINDS, BankSpec, Catalogue, ItemSpec
from quizzes.lint_rules import BLOOM, DIFFICULTIES
from quizzes.placeholders import combinations

BEGIN, END = "<!-- bank table -->", "<!-- /bank table -->"


def bank_table(banks: Sequence[BankSpec], catalogue: Catalogue) -> str:
    """The tables as Markdown, between the marks that `filled_in` looks for."""
    items = [item for bank in banks for item in bank.items]
    exams = [exam["slug"] for exam in catalogue.exams]
    names = {objective["slug"]: objective["name"] for objective in catalogue.objectives}
    parts = [
        _by_exam(items, exams),
        _crossed("Bloom's level", BLOOM, items, exams, lambda item: item.bloom),
        _crossed("difficulty", DIFFICULTIES, items, exams, lambda item: item.difficulty),
        _crossed("kind", KINDS, items, exams, lambda item: item.kind),
        _by_objective(items, exams, names),
    ]
    return "\n\n".join((BEGIN, *parts, END))


def filled_in(text: str, table: str) -> str:
    """The text with the table in place of what stands between the marks."""
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"The text has no place for the table: {BEGIN} and {END} are missing.")
    return before + table + after


def proof_count(item: ItemSpec) -> int:
    """How many statements about the item the proof suite checks."""
    if item.kind == "computed":
        return len(combinations(item.parameters, item.constraints))
    return sum(option.proof is not None for option in item.options) + (item.proof is not None)


def _by_exam(items: Sequence[ItemSpec], exams: Sequence[str]) -> str:
    rows: list[list[int]] = []
    for exam in exams:
        own = [item for item in items if item.exam == exam]
        proved = [item for item in own if item.has_full_proof]
        partly = [item for item in own if item.has_some_proof and not item.has_full_proof]
        rows.append([len(own), len(proved), len(partly), len(own) - len(proved) - len(partly), _proofs(own)])
    totals = [sum(column) for column in zip(*rows, strict=True)]
    head = ["exam", "items", "proved", "proved in part", "cannot be run", "proofs"]
    return _table(head, [*([exam, *row] for exam, row in zip(exams, rows, strict=True)), ["**all**", *totals]])


def _proofs(items: Iterable[ItemSpec]) -> int:
    return sum(proof_count(item) for item in items)


def _crossed(
    what: str, values: Sequence[str], items: Sequence[ItemSpec], exams: Sequence[str], of: Callable[[ItemSpec], str]
) -> str:
    counts = Counter((item.exam, of(item)) for item in items)
    return _table([what, *exams], [[value, *(counts[exam, value] for exam in exams)] for value in values])


def _by_objective(items: Sequence[ItemSpec], exams: Sequence[str], names: dict[str, str]) -> str:
    counts = Counter((item.exam, item.objective) for item in items)
    proved = Counter((item.exam, item.objective) for item in items if item.has_full_proof)
    rows = []
    for slug in dict.fromkeys(names):
        cells = [f"{counts[exam, slug]} ({proved[exam, slug]})" if counts[exam, slug] else "" for exam in exams]
        if any(cells):
            rows.append([names[slug], *cells])
    return _table(["objective: items (proved)", *exams], rows)


def _table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
