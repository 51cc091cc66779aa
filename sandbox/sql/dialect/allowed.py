"""Which functions a learner's statement may call; everything else is refused by name.

DuckDB's own functions are reached only under the names of Databricks SQL functions that appear here.
"""

_TYPED_NAMES = """
    Count CountIf Sum Avg Min Max Stddev StddevPop StddevSamp Variance VariancePop Corr CovarPop CovarSamp Median Mode
    Skewness Kurtosis Quantile ApproxQuantile PercentileCont PercentileDisc ApproxDistinct AnyValue First Last
    FirstValue LastValue ArgMax ArgMin ArrayAgg ArrayUniqueAgg LogicalOr LogicalAnd GroupConcat RowNumber Rank
    DenseRank PercentRank CumeDist Ntile Lag Lead NthValue Case If Coalesce Nullif Nvl2 Greatest Least IsNan
    SafeDivide And Or Xor Exists Cast TryCast Abs Ceil Floor Round Sqrt Cbrt Pow Exp Ln Log Sign Pi Sin Cos Tan Asin
    Acos Atan Atan2 Degrees Radians Lower Upper Length Trim Substring Replace Reverse Repeat Pad StrPosition
    StartsWith EndsWith Contains Concat ConcatWs SplitPart RegexpSplit RegexpExtract RegexpExtractAll RegexpReplace
    RegexpLike Initcap Left Right Translate Ascii Chr Levenshtein MD5 SHA2 ToBase64 Hex Space TimestampTrunc DateTrunc
    CurrentDate CurrentTimestamp DateDiff TimestampAdd TimestampDiff TsOrDsAdd TsOrDsToDate TimeToStr StrToTime
    StrToUnix UnixToStr UnixSeconds UnixMillis UnixMicros TimeStrToTime Extract Year Month Day Hour Minute Second
    Quarter WeekOfYear DayOfWeek DayOfMonth DayOfYear AddMonths LastDay MonthsBetween JSONExtract JSONExtractScalar
    FromJson ParseJSON JSONFormat Array Struct Map VarMap MapKeys ArraySize ArrayContains ArrayPosition ArraySort
    ArrayDistinct Flatten ArraySlice ArrayMin ArrayMax ArrayToString ArrayIntersect ArrayExcept Explode Posexplode
    Transform ArrayFilter Reduce GenerateSeries
"""
TYPED = frozenset(_TYPED_NAMES.split())
"""Class names of sqlglot expressions."""

_UNTYPED_NAMES = """
    every some json_array_length isnull isnotnull window map_values map_entries make_date cardinality date_part mean
    std timestamp_seconds forall
"""
UNTYPED = frozenset(_UNTYPED_NAMES.split())
"""Functions that sqlglot has no class for, by their Databricks name; DuckDB knows them, or the translation does."""

HINTS = {
    "read_files": "Read Parquet files with SELECT * FROM parquet.`/Volumes/<catalog>/<schema>/<volume>/<path>`.",
    "schema_of_json": "Write the schema out, as in from_json(request, 'struct<inputs: array<double>>').",
    "json_tuple": "Use request:field or get_json_object(request, '$.field') instead.",
    "variant_get": "Use request:field::type instead.",
}
"""What to do instead, for functions that people are likely to try."""
