"""The same rows scored three ways: features from the Delta table, looked up by key, and sent; and why they differ."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandbox.catalog import functions, securables
from sandbox.catalog.models import SecurableType
from sandbox.console.features import lookup_trial
from sandbox.console.features.offline import Offline, offline_features
from sandbox.console.loopback import invoke
from sandbox.errors import ApiError
from sandbox.features.models import OnlineTable
from sandbox.features.plan import FunctionCall, LookupPlan
from sandbox.features.spec import FeatureSpec, SpecError
from sandbox.registry import store
from sandbox.replicas.lookup_frames import as_json
from sandbox.serving.models import ServedEntity
from sandbox.workspaces.members import Caller

CLOSE = 1e-9
"""Relative; numbers that are closer are the same."""
BAD_REQUEST = 400
Json = dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """A feature of one row that the endpoint finds otherwise than the Delta table has it."""

    name: str
    offline: str
    online: str
    why: str


@dataclass(frozen=True)
class Score:
    """A prediction as text; `refusal` is the sentence where there is none."""

    text: str
    value: Any = None
    refusal: str = ""
    is_for_its_body: bool = False
    """Refused for what was sent: another row may fare better."""

    @property
    def is_refused(self) -> bool:
        return bool(self.refusal)


@dataclass(frozen=True)
class Row:
    """One row, three ways."""

    key: str
    offline: Score
    looked_up: Score
    sent: Score
    differences: tuple[Difference, ...]

    @property
    def looked_up_differs(self) -> bool:
        return not _same_score(self.offline, self.looked_up)

    @property
    def sent_differs(self) -> bool:
        return not _same_score(self.offline, self.sent)

    @property
    def is_refused(self) -> bool:
        """No way gave a prediction, so none can be compared."""
        return self.offline.is_refused and self.looked_up.is_refused and self.sent.is_refused

    @property
    def verdict(self) -> str:
        """same, differs, or unknown."""
        return "differs" if self.differs else "unknown" if self.is_refused else "same"

    @property
    def differs(self) -> bool:
        return bool(self.differences) or self.looked_up_differs or self.sent_differs


@dataclass(frozen=True)
class Comparison:
    """All rows, with what they were read from; `problem` when nothing could be compared."""

    rows: tuple[Row, ...] = ()
    sources: tuple[Offline, ...] = ()
    problem: str = ""

    @property
    def differing(self) -> int:
        return sum(row.differs for row in self.rows)

    @property
    def refused(self) -> int:
        return sum(row.is_refused for row in self.rows)

    @property
    def refusals(self) -> list[str]:
        """Every sentence once."""
        scores = (score for row in self.rows for score in (row.offline, row.looked_up, row.sent))
        return list(dict.fromkeys(score.refusal for score in scores if score.refusal))


def compare(caller: Caller, endpoint: str, entity: ServedEntity, plan: LookupPlan, records: Sequence[Json]) -> Comparison:
    """`records`: what a client would send, keys and the columns that are not found. Raises SqlFailed, ApiError."""
    sources = tuple(offline_features(caller, table, lookup_of(caller, entity, table.table), records) for table in plan.tables)
    whole = lookup_trial.everything(plan)
    from_table = [_with_features(plan, sources, record, at) for at, record in enumerate(records)]
    today = replace(whole, functions=tuple(_as_it_is(caller, call) for call in plan.functions))
    offline = lookup_trial.complete(caller.workspace.id, today, from_table)
    online = lookup_trial.look_up(caller.workspace.id, plan, records)
    if isinstance(offline, str) or online.problem:
        return Comparison(sources=sources, problem=offline if isinstance(offline, str) else online.problem)
    found = [{value.name: value.value for value in row} for row in online.rows]
    bodies = (offline, records, from_table)
    scores = [predictions(caller, endpoint, entity.name, rows) for rows in bodies]
    changed = {call.output for call, now in zip(plan.functions, today.functions, strict=True) if call.body != now.body}
    rows = (
        Row(
            key=", ".join(str(record.get(name)) for name in keys_of(plan)),
            offline=scores[0][at],
            looked_up=scores[1][at],
            sent=scores[2][at],
            differences=tuple(_differences(plan, sources, at, from_table[at], offline[at], found[at], changed)),
        )
        for at, record in enumerate(records)
    )
    return Comparison(tuple(rows), sources)


def keys_of(plan: LookupPlan) -> list[str]:
    """Columns of the request by which features are looked up."""
    return list(dict.fromkeys(name for table in plan.tables for name in table.key.values()))


def lookup_of(caller: Caller, entity: ServedEntity, table: str) -> float | None:
    """The look-back window in seconds that training used for the table; None without one, or where the spec is gone."""
    try:
        text = store.feature_spec(caller.workspace.id, entity.entity_name, entity.entity_version)
        spec = FeatureSpec.from_json(text) if text else None
    except (ApiError, SpecError, OSError):
        return None
    return next((each.lookback_s for each in spec.lookups if each.table == table), None) if spec else None


def _as_it_is(caller: Caller, call: FunctionCall) -> FunctionCall:
    """The function as the catalog has it now; as it was when it is not there any more."""
    try:
        found = securables.find(caller.workspace, SecurableType.FUNCTION, securables.quoted(call.name.split(".")))
    except ApiError:
        return call
    return replace(call, body=functions.definition_of(found).body)


def _with_features(plan: LookupPlan, sources: Sequence[Offline], record: Json, at: int) -> Json:
    """The row with all features of the tables, as score_batch would have them."""
    found = dict(record)
    for table, source in zip(plan.tables, sources, strict=True):
        row = source.rows[at]
        for feature, name in table.features.items():
            found[name] = as_json(table.defaults.get(name) if row is None else row[feature])
    return found


# --- predictions ------------------------------------------------------------------------------------


def predictions(caller: Caller, endpoint: str, entity: str, rows: Sequence[Json]) -> list[Score]:
    """All rows in one request; where that is refused each in its own, so that one row does not speak for the others."""
    body = {"dataframe_records": [{name: _finite(value) for name, value in row.items()} for row in rows]}
    together = _scores(caller, endpoint, entity, body)
    if len(rows) < 2 or not together[0].is_for_its_body:
        return together
    return [_scores(caller, endpoint, entity, {"dataframe_records": [row]})[0] for row in body["dataframe_records"]]


def _scores(caller: Caller, endpoint: str, entity: str, body: Json) -> list[Score]:
    count = len(body["dataframe_records"])
    exchange = invoke(caller.workspace, caller.user, endpoint, body, served_entity=entity).last
    answer = exchange.answer if isinstance(exchange.answer, dict) else {}
    values = answer.get("predictions")
    if exchange.is_ok and isinstance(values, list) and len(values) == count:
        return [Score(_prediction_text(value), value=value) for value in values]
    sentence = str(answer.get("message") or exchange.body)[:300]
    return [
        Score(
            f"refused, {exchange.status}" if exchange.status else "no answer",
            refusal=sentence,
            is_for_its_body=exchange.status == BAD_REQUEST,
        )
    ] * count


def _prediction_text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_prediction_text, value))
    return f"{value:.10g}" if isinstance(value, float) else lookup_trial.shown_value(value)


def _finite(value: Any) -> Any:
    """A number that is none is null in JSON, which means the same to a model."""
    return None if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))) else value


def _same_score(one: Score, other: Score) -> bool:
    return one.is_refused == other.is_refused and (one.is_refused or same(one.value, other.value))


# --- differences ------------------------------------------------------------------------------------


def same(one: Any, other: Any) -> bool:
    """None and NaN are one to a model; numbers may differ in what no one can see."""
    if _is_nothing(one) or _is_nothing(other):
        return _is_nothing(one) and _is_nothing(other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other or abs(one - other) <= CLOSE * max(abs(one), abs(other))
    return bool(one == other)


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _differences(
    plan: LookupPlan, sources: Sequence[Offline], at: int, table_row: Json, offline: Json, found: Json, changed: set[str]
) -> list[Difference]:
    differing: list[Difference] = []
    names = set[str]()
    for table, source in zip(plan.tables, sources, strict=True):
        for name in table.features.values():
            there, here = table_row[name], as_json(found.get(name))
            if not same(there, here):
                names.add(name)
                why = _why(source, at, table.online_table_id)
                differing.append(Difference(name, lookup_trial.shown_value(there), lookup_trial.shown_value(here), why))
    for call in plan.functions:
        there, here = offline.get(call.output), as_json(found.get(call.output))
        if not same(there, here):
            from_others = sorted(names.intersection(call.arguments.values()))
            names.add(call.output)
            why = f"It is computed from {', '.join(from_others)}, which differs." if from_others else _why_function(call, changed)
            differing.append(Difference(call.output, lookup_trial.shown_value(there), lookup_trial.shown_value(here), why))
    return differing


def _why(source: Offline, at: int, online_table_id: str) -> str:
    if source.outside[at]:
        return source.outside[at]
    synced = OnlineTable.objects.filter(pk=online_table_id).values_list("synced_version", flat=True).first()
    if synced is None:
        return "The online copy is being made anew, or is gone."
    if synced < source.version:
        behind = source.version - synced
        return (
            f"The online copy is of version {synced}, {behind} commit{'s' if behind > 1 else ''} behind version "
            f"{source.version} of the table. A sync brings it up to date."
        )
    return "Both are of the same version; a sync may have ended between the two readings. Compare again."


def _why_function(call: FunctionCall, changed: set[str]) -> str:
    if call.output in changed:
        return f"{call.name} was changed after the deployment; the endpoint keeps its text of then. Update its config."
    return f"{call.name} gave two values for the same arguments: it depends on something else, such as the time."
