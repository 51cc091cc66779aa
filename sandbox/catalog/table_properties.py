"""Table properties: free ones, and those of Delta, which must be known [docs: Delta table properties reference]."""

from collections.abc import Mapping

from sandbox.catalog.delta_log import APPEND_ONLY, CHANGE_FEED
from sandbox.errors import InvalidParameterValue

MAX_PROPERTIES = 100
MAX_VALUE_CHARACTERS = 4_000
_BOOLEANS = frozenset(
    {
        APPEND_ONLY,
        CHANGE_FEED,
        "delta.autoOptimize.autoCompact",
        "delta.autoOptimize.optimizeWrite",
        "delta.enableDeletionVectors",
        "delta.enableRowTracking",
        "delta.enableTypeWidening",
        "delta.checkpoint.writeStatsAsJson",
        "delta.checkpoint.writeStatsAsStruct",
        "delta.randomizeFilePrefixes",
        "delta.tuneFileSizesForRewrites",
    }
)
_OTHERS = frozenset(
    {
        "delta.checkpointInterval",
        "delta.checkpointPolicy",
        "delta.dataSkippingNumIndexedCols",
        "delta.dataSkippingStatsColumns",
        "delta.deletedFileRetentionDuration",
        "delta.feature.allowColumnDefaults",
        "delta.isolationLevel",
        "delta.logRetentionDuration",
        "delta.minReaderVersion",
        "delta.minWriterVersion",
        "delta.parquet.compression.codec",
        "delta.setTransactionRetentionDuration",
        "delta.targetFileSize",
    }
)


def checked(properties: Mapping[str, str]) -> dict[str, str]:
    """The properties as text.

    Raises InvalidParameterValue: a property of Delta that is not known or not offered here, a value that is none, or too many.
    """
    if len(properties) > MAX_PROPERTIES:
        raise InvalidParameterValue(f"A table has at most {MAX_PROPERTIES} properties, not {len(properties)}.")
    return {_checked_key(key): _checked_value(key, str(value)) for key, value in properties.items()}


def _checked_key(key: str) -> str:
    if key == "delta.columnMapping.mode":
        raise InvalidParameterValue(
            "delta.columnMapping.mode is not offered here; columns can be renamed and dropped without it."
        )
    if not key or len(key) > 255:
        raise InvalidParameterValue("The key of a table property needs 1 to 255 characters.")
    if key.startswith("delta.") and key not in _BOOLEANS | _OTHERS:
        raise InvalidParameterValue(f"[DELTA_UNKNOWN_CONFIGURATION] Unknown configuration was specified: {key[:255]}.")
    return key


def _checked_value(key: str, value: str) -> str:
    if key in _BOOLEANS and value.lower() not in {"true", "false"}:
        raise InvalidParameterValue(f"The property {key} is true or false, not '{value[:100]}'.")
    if len(value) > MAX_VALUE_CHARACTERS:
        raise InvalidParameterValue(f"The value of {key} has more than {MAX_VALUE_CHARACTERS} characters.")
    return value
