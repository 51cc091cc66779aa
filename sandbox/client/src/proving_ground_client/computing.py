"""Carries a spec out over rows: look-ups here, functions on the site, where serving computes them too."""

from collections.abc import Mapping
from datetime import timedelta

import pyarrow as pa

from proving_ground_client.point_in_time import AsOf, look_up, positions
from proving_ground_client.site import Site, dotted, quoted, storable
from proving_ground_client.spec import Function, Lookup, Spec

_ORDER = "__row"
_PIECE_ROWS = 100_000
"""That a function computes in one statement."""


def computed(site: Site, spec: Spec, data: pa.Table) -> pa.Table:
    """The data with a column for everything that the spec finds, in the spec's order; columns that the data has stay as they are.

    Columns of the spec that neither data nor spec gives (a label while scoring) are left out.
    """
    have: dict[str, pa.ChunkedArray] = dict(zip(data.column_names, data.columns, strict=True))
    for lookup in spec.lookups:
        missing = {theirs: ours for theirs, ours in lookup.features.items() if ours not in have}
        if missing:
            have |= _looked_up(site, lookup, missing, pa.table(have))
    for function in spec.functions:
        if function.output not in have:
            have[function.output] = _called(site, function, have)
    order = [column.name for column in spec.columns if column.name in have]
    return pa.table({name: have[name] for name in [*order, *(name for name in have if name not in order)]})


def _looked_up(site: Site, lookup: Lookup, features: Mapping[str, str], data: pa.Table) -> dict[str, pa.ChunkedArray]:
    """`features`: column of the table -> name in the training set."""
    wanted = list(dict.fromkeys([*lookup.keys, *features]))
    as_of = None
    if lookup.timestamp_key:
        window = None if lookup.lookback_s is None else timedelta(seconds=lookup.lookback_s)
        as_of = AsOf(lookup.timestamp_key, site.table(lookup.table).timeseries, window)
        wanted = list(dict.fromkeys([*wanted, as_of.table_column]))
    table = site.read(lookup.table, wanted)
    found = positions(data, table, lookup.keys, as_of)
    defaults = {theirs: lookup.defaults[ours] for theirs, ours in features.items() if ours in lookup.defaults}
    columns = look_up(table, found, list(features), defaults)
    return {features[theirs]: column for theirs, column in columns.items()}


def _called(site: Site, function: Function, have: Mapping[str, pa.ChunkedArray]) -> pa.ChunkedArray:
    names = list(dict.fromkeys(function.bindings.values()))
    rows = storable(pa.table({name: have[name] for name in names}))
    rows = rows.append_column(_ORDER, pa.array(range(rows.num_rows), pa.int64()))
    arguments = ", ".join(f"{parameter} => {quoted(column)}" for parameter, column in function.bindings.items())
    parts = []
    for first in range(0, max(rows.num_rows, 1), _PIECE_ROWS):
        with site.staged(rows.slice(first, _PIECE_ROWS), function.name.rpartition(".")[0]) as paths:
            for path in paths:
                call = f"{dotted(function.name)}({arguments}) AS value"
                parts.append(site.run(f"SELECT {call} FROM parquet.`{path}` ORDER BY {_ORDER}")["value"])  # noqa: S608 - quoted names and our own paths
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], parts[0].type)
