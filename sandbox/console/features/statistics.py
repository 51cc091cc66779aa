"""What the values of features look like: counts, range and a small histogram, by the site's SQL over a bounded sample."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.core.cache import cache

from sandbox.catalog.column_types import Column
from sandbox.catalog.delta import Snapshot
from sandbox.console.catalog.code import sql_name
from sandbox.sql.limits import PAGE_LIMITS
from sandbox.sql.run import run_statement
from sandbox.workspaces.members import Caller

SAMPLE_ROWS = 10_000
COLUMNS_AT_ONCE = 20
BARS, TOP_VALUES = 10, 5
KEPT_S = 24 * 3600
VALUE_CHARACTERS = 60
_FLOATS = ("double", "float")
_NUMBERS = (*_FLOATS, "bigint", "int", "smallint", "tinyint", "decimal")
_NESTED = ("array", "map", "struct", "binary", "variant")


@dataclass(frozen=True)
class Bar:
    """One bar of the histogram, or one of the most frequent values; `height` in percent of the highest."""

    label: str
    count: int
    height: int


@dataclass(frozen=True)
class FeatureStatistics:
    """Of one column in the sample. Texts are empty where they say nothing (no values, a nested type)."""

    name: str
    rows: int
    nulls: int
    nans: int
    distinct: int
    """Different values, counted approximately."""
    least: str = ""
    mean: str = ""
    most: str = ""
    is_number: bool = False
    bars: tuple[Bar, ...] = ()

    @property
    def null_percentage(self) -> float:
        return 100 * self.nulls / self.rows if self.rows else 0.0

    @property
    def words(self) -> str:
        """The picture as a sentence, for whoever does not see it."""
        what = "Histogram" if self.is_number else "Most frequent values"
        return f"{what} of {self.name}: " + ", ".join(f"{bar.label} {bar.count} times" for bar in self.bars)


def statistics(caller: Caller, full_name: str, found: Snapshot, columns: Sequence[Column]) -> dict[str, FeatureStatistics]:
    """By name of the column, of the version `found`. Kept for a day: a version never changes. Raises SqlFailed.

    Whoever calls this has made sure of SELECT.
    """
    by_name: dict[str, FeatureStatistics] = {}
    for first in range(0, len(columns), COLUMNS_AT_ONCE):
        part = columns[first : first + COLUMNS_AT_ONCE]
        key = f"feature-statistics:{found.table_id}:{found.version}:{hash(tuple(part))}"
        kept: dict[str, FeatureStatistics] | None = cache.get(key)
        if kept is None:
            kept = {each.name: each for each in _computed(caller, full_name, found, part)}
            cache.set(key, kept, KEPT_S)
        by_name |= kept
    return by_name


def _computed(caller: Caller, full_name: str, found: Snapshot, columns: Sequence[Column]) -> Iterator[FeatureStatistics]:
    sample = _sample(full_name, found.version, columns)
    selected = ", ".join(part for number, column in enumerate(columns) for part in _aggregates(number, column))
    [totals] = run_statement(caller, f"{sample} SELECT count(*), {selected} FROM s", limits=PAGE_LIMITS).rows  # noqa: S608 - names of our own
    rows = int(totals[0] or 0)
    facts = [totals[1 + 6 * number : 7 + 6 * number] for number in range(len(columns))]
    counted = [part for number, column in enumerate(columns) if (part := _counts(number, column, facts[number]))]
    bars: dict[int, list[tuple[str, int]]] = {}
    if counted and rows:
        asked = f"{sample} {' UNION ALL '.join(counted)}"
        for place, label, count in run_statement(caller, asked, limits=PAGE_LIMITS).rows:
            bars.setdefault(int(place or 0), []).append((label or "", int(count or 0)))
    for at, column in enumerate(columns):
        yield _shown(column, rows, facts[at], bars.get(at, []))


def _sample(full_name: str, version: int, columns: Sequence[Column]) -> str:
    """The columns under names that need no quotes: c0, c1, …; a number that is none is told from the others."""
    names = [f"{sql_name_of(column)} AS c{number}" for number, column in enumerate(columns)]
    source = f"{sql_name(full_name)} VERSION AS OF {version}"
    return f"WITH s AS (SELECT {', '.join(names)} FROM {source} LIMIT {SAMPLE_ROWS})"  # noqa: S608 - quoted names


def sql_name_of(column: Column) -> str:
    return "`" + column.name.replace("`", "``") + "`"


def _aggregates(number: int, column: Column) -> list[str]:
    """Six for each column: values, values that are no number, different ones, least, mean, most."""
    name, kind = f"c{number}", column.type_text
    if kind.startswith(_NESTED):
        return [f"count({name})", "0", "0", "NULL", "NULL", "NULL"]
    if kind in _FLOATS:
        whole = f"CASE WHEN isnan({name}) THEN NULL ELSE {name} END"
        nans = f"count(CASE WHEN isnan({name}) THEN 1 END)"
        distinct = f"approx_count_distinct({name})"
        return [f"count({name})", nans, distinct, f"min({whole})", f"avg({whole})", f"max({whole})"]
    mean = f"avg({name})" if kind.startswith(_NUMBERS) else "NULL"
    return [f"count({name})", "0", f"approx_count_distinct({name})", f"min({name})", mean, f"max({name})"]


def _counts(number: int, column: Column, facts: Sequence[str | None]) -> str:
    """A query of (number of the column, label, count); empty where there is nothing to count."""
    name, least, most = f"c{number}", facts[3], facts[5]
    if column.type_text.startswith(_NESTED) or least is None or most is None:
        return ""
    if column.type_text.startswith(_NUMBERS) and (width := _width(least, most)):
        place = f"least(CAST(floor((CAST({name} AS DOUBLE) - {float(least)!r}) / {width!r}) AS INT), {BARS - 1})"
        is_number = f"{name} IS NOT NULL" + (f" AND NOT isnan({name})" if column.type_text in _FLOATS else "")
        return f"(SELECT {number} AS f, CAST({place} AS STRING) AS v, count(*) AS n FROM s WHERE {is_number} GROUP BY v)"  # noqa: S608 - names of our own
    text = f"substring(CAST({name} AS STRING), 1, {VALUE_CHARACTERS})"
    return (
        f"(SELECT {number} AS f, {text} AS v, count(*) AS n FROM s WHERE {name} IS NOT NULL "  # noqa: S608 - no name of a person's
        f"GROUP BY v ORDER BY n DESC, v LIMIT {TOP_VALUES})"
    )


def _width(least: str, most: str) -> float:
    """Of one bar; 0 when all values are the same or the range has no end."""
    width = (float(most) - float(least)) / BARS
    return width if 0 < width < float("inf") else 0.0


def _shown(column: Column, rows: int, facts: Sequence[str | None], counts: list[tuple[str, int]]) -> FeatureStatistics:
    values, nans, distinct, least, mean, most = facts
    is_histogram = column.type_text.startswith(_NUMBERS) and least is not None and most is not None and _width(least, most) > 0
    return FeatureStatistics(
        name=column.name,
        rows=rows,
        nulls=rows - int(values or 0),
        nans=int(nans or 0),
        distinct=int(distinct or 0),
        least=_cut(least),
        mean="" if mean is None else f"{float(mean):.6g}",
        most=_cut(most),
        is_number=is_histogram,
        bars=_histogram(counts, str(least), str(most)) if is_histogram else _top(counts),
    )


def _histogram(counts: list[tuple[str, int]], least: str, most: str) -> tuple[Bar, ...]:
    """Ten bars from the least value to the most, empty ones too."""
    by_place = {int(label): count for label, count in counts}
    highest = max(by_place.values(), default=1)
    width = _width(least, most)
    edges = [float(least) + width * place for place in range(BARS + 1)]
    return tuple(
        Bar(f"{edges[place]:.4g} to {edges[place + 1]:.4g}", count := by_place.get(place, 0), _height(count, highest))
        for place in range(BARS)
    )


def _top(counts: list[tuple[str, int]]) -> tuple[Bar, ...]:
    ordered = sorted(counts, key=lambda each: (-each[1], each[0]))
    highest = ordered[0][1] if ordered else 1
    return tuple(Bar(label, count, _height(count, highest)) for label, count in ordered)


def _height(count: int, highest: int) -> int:
    return max(4, round(100 * count / highest)) if count else 0


def _cut(text: str | None) -> str:
    if text is None:
        return ""
    return text if len(text) <= VALUE_CHARACTERS else f"{text[:VALUE_CHARACTERS]}…"
