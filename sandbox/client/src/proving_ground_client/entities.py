"""What training sets are described with [docs: Feature Engineering client: FeatureLookup, FeatureFunction]."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

_DEFAULT_TYPES = (bool, int, float, str)


@dataclass(frozen=True)
class FeatureLookup:
    """Features of a table, found by key.

    Raises ValueError or TypeError for arguments that do not go together.
    """

    table_name: str
    lookup_key: str | Sequence[str]
    """Columns of the data, in the order of the table's primary key."""
    feature_names: str | Sequence[str] | None = field(default=None, kw_only=True)
    """None: all that are no keys."""
    rename_outputs: Mapping[str, str] | None = field(default=None, kw_only=True)
    timestamp_lookup_key: str | Sequence[str] | None = field(default=None, kw_only=True)
    """Column of the data: features are found as they were at its time."""
    lookback_window: timedelta | None = field(default=None, kw_only=True)
    """Features older than this are not found; zero: those of exactly that time only."""
    default_values: Mapping[str, Any] | None = field(default=None, kw_only=True)
    """Name in the training set -> value where nothing was found."""
    feature_name: str | None = field(default=None, kw_only=True)
    """Deprecated: one name of `feature_names`."""
    output_name: str | None = field(default=None, kw_only=True)
    """Deprecated: its new name."""

    def __post_init__(self) -> None:
        if self.feature_name is not None and self.feature_names is not None:
            raise ValueError("Use feature_names only; feature_name is its deprecated form.")
        if self.output_name is not None and (
            self.rename_outputs or not (self.feature_name or isinstance(self.feature_names, str))
        ):
            raise ValueError("output_name renames a single feature_name. Use rename_outputs={feature: new name}.")
        if self.rename_outputs is not None and not isinstance(self.rename_outputs, Mapping):
            raise ValueError(
                f"rename_outputs must be a dictionary of feature name and new name, not {self.rename_outputs!r:.100}."
            )
        _check_lookback(self.lookback_window, self.timestamp)
        _check_defaults(self.default_values)
        if not self.keys:
            raise ValueError(f"FeatureLookup in '{self.table_name}' needs a lookup_key.")

    @property
    def keys(self) -> tuple[str, ...]:
        return _names(self.lookup_key)

    @property
    def features(self) -> tuple[str, ...]:
        """Empty for all of the table."""
        return _names(self.feature_names if self.feature_name is None else self.feature_name)

    @property
    def renames(self) -> dict[str, str]:
        if self.output_name is not None:
            return {self.features[0]: self.output_name}
        return dict(self.rename_outputs or {})

    @property
    def timestamp(self) -> str:
        """Empty for none."""
        names = _names(self.timestamp_lookup_key)
        if len(names) > 1:
            raise ValueError(f"timestamp_lookup_key takes one column, not {len(names)}.")
        return names[0] if names else ""


@dataclass(frozen=True)
class FeatureFunction:
    """A feature that a Python function of the catalog computes from other columns."""

    udf_name: str = field(kw_only=True)
    input_bindings: Mapping[str, str] | None = field(default=None, kw_only=True)
    """Parameter -> column."""
    output_name: str | None = field(default=None, kw_only=True)
    """None: the function's full name."""

    def __post_init__(self) -> None:
        if not self.udf_name:
            raise ValueError("FeatureFunction needs the name of a function.")


Feature = FeatureLookup | FeatureFunction


def _names(value: str | Sequence[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _check_lookback(window: timedelta | None, timestamp: str) -> None:
    if window is None:
        return
    if not timestamp:
        raise ValueError("Unexpected lookback_window value: it can only be set together with timestamp_lookup_key.")
    if not isinstance(window, timedelta):
        raise ValueError(f"lookback_window must be a datetime.timedelta, not {type(window).__name__}.")
    if window < timedelta(0):
        raise ValueError("lookback_window must not be negative.")


def _check_defaults(defaults: Mapping[str, Any] | None) -> None:
    for name, value in (defaults or {}).items():
        if not isinstance(value, _DEFAULT_TYPES):
            raise ValueError(f"The default value of '{name}' must be a number, a text or a boolean, not {type(value).__name__}.")
