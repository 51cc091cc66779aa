"""Bodies of requests whose features are looked up: the columns that were sent, and the complete body that the model is given."""

import base64
import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from operator import ne
from typing import Any

from sandbox.features.plan import LookupPlan
from sandbox.replicas.requests import INPUT_KEYS, InputError, Pending

_PLAIN = {int, float, str, bool, type(None)}
_NUMERIC = {"bigint", "int", "smallint", "tinyint", "double", "float", "boolean"}
_ABSENT = object()
_FORMS = (
    "This endpoint looks features up by column, so it takes dataframe_records or dataframe_split as application/json{keys}. "
    "{found}"
)
Columns = dict[str, list[Any]]


@dataclass
class Frame:
    """One request as columns, of which some are still to be found."""

    request: Pending
    rows: int
    columns: Columns
    """Those that the plan needs, as sent; what is found is added."""


class Frames:
    """Reads and writes the bodies of one plan's requests."""

    def __init__(self, plan: LookupPlan) -> None:
        self._inputs = plan.inputs
        self._types = plan.types
        self._keys = tuple(dict.fromkeys(name for table in plan.tables for name in table.key.values()))
        self._found = {name for table in plan.tables for name in table.features.values()}
        self._found |= {call.output for call in plan.functions}
        arguments = {name for call in plan.functions for name in call.arguments.values()}
        self._wanted = {*plan.inputs, *self._keys, *self._found, *arguments}

    def read(self, request: Pending) -> Frame:
        """The columns of the request that matter. Raises InputError."""
        if request.content_type.partition(";")[0].strip() != "application/json":
            raise self._not_a_frame(f"The request's content type is {request.content_type[:100]}.")
        payload = request.read()
        forms = [key for key in payload if key in INPUT_KEYS]
        if len(forms) != 1 or not forms[0].startswith("dataframe_"):
            raise self._not_a_frame(f"The request has {', '.join(forms) or 'neither'}.")
        data = payload[forms[0]]
        if forms[0] == "dataframe_split":
            rows, columns = self._split(data)
        else:
            rows, columns = self._records(data, request)
        return Frame(request, rows, columns)

    def _split(self, split: Any) -> tuple[int, Columns]:
        given: dict[str, Any] = split if isinstance(split, dict) else {}
        names, data = given.get("columns", ()), given.get("data", ())
        if not _is_list_of(names, str) or not _is_list_of(data, list) or any(len(row) != len(names) for row in data):
            raise InputError(
                "BAD_REQUEST", "dataframe_split needs columns, a list of names, and data, a list of rows of the same length."
            )
        if len(set(names)) != len(names):
            raise InputError("BAD_REQUEST", f"dataframe_split has a column twice: {names}.")
        places = {name: place for place, name in enumerate(names) if name in self._wanted}
        return len(data), {name: [row[place] for row in data] for name, place in places.items()}

    def _records(self, records: Any, request: Pending) -> tuple[int, Columns]:
        if not _is_list_of(records, dict):
            raise InputError("BAD_REQUEST", "dataframe_records must be a list of objects, one for each row.")
        if len(records) == 1:
            [record] = records
            return 1, {name: [record[name]] for name in self._wanted if name in record}
        columns: Columns = {}
        for name in self._wanted.intersection(*[set().union(*records)]):
            columns[name] = [record.get(name, _ABSENT) for record in records]
            if any(value is _ABSENT for value in columns[name]):
                self._check_may_lack(name)
                columns[name] = [float("nan") if value is _ABSENT else value for value in columns[name]]
                request.is_lenient = True
        return len(records), columns

    def _check_may_lack(self, name: str) -> None:
        """What MLflow fills with NaN is no override of a feature, and no key. Raises InputError."""
        if name in self._found:
            raise InputError(
                "BAD_REQUEST",
                f"Only some rows have the feature '{name}'. Send it in all rows, which then are not looked up, or in none.",
            )
        if name in self._keys:
            raise InputError("BAD_REQUEST", f"Some rows lack the column '{name}', by which features are looked up.")

    def _not_a_frame(self, found: str) -> InputError:
        keys = f", with the column {' and '.join(self._keys)}" if self._keys else ""
        return InputError("BAD_REQUEST", _FORMS.format(keys=keys, found=found))

    def complete(self, frame: Frame) -> None:
        """Give the model what columns there are, in the order in which it was trained; of those that lack it tells itself."""
        request, columns = frame.request, frame.columns
        names = [name for name in self._inputs if name in columns]
        values = [columns[name] for name in names]
        if not _is_plain(values):
            values = [self._sendable(columns[name], self._types.get(name, ""), request) for name in names]
        split: dict[str, Any] = {"columns": names, "data": list(map(list, zip(*values, strict=True)))}
        params = {"params": request.payload["params"]} if "params" in request.payload else {}
        request.payload = {"dataframe_split": split, **params}
        request.content_type = "application/json"
        request.is_completed = True

    def _sendable(self, values: list[Any], kind: str, request: Pending) -> list[Any]:
        """As JSON has them. A number that is none is null, which means the same to a model; in other columns it stays NaN."""
        kinds = set(map(type, values))
        values = sendable(values)
        if float in kinds and any(value != value for value in values):
            if kind not in _NUMERIC:
                request.is_lenient = True
                return values
            return [None if value != value else value for value in values]
        return values


def sendable(values: list[Any]) -> list[Any]:
    """The values as JSON has words for them."""
    return values if _PLAIN.issuperset(map(type, values)) else [as_json(value) for value in values]


def _is_plain(columns: list[list[Any]]) -> bool:
    """Whether JSON has words for all values, as nearly always; looked at all at once, for most requests have one row."""
    values = list(chain.from_iterable(columns))
    return _PLAIN.issuperset(map(type, values)) and not any(map(ne, values, values))


def _is_list_of(values: Any, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)


def as_json(value: Any) -> Any:
    """A value of a table as a client's JSON has it."""
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {key: as_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(each) for each in value]
    return value
