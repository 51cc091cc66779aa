"""FeatureEngineeringClient: feature tables, training sets, models with features [docs: Feature Engineering in Unity Catalog]."""

from collections.abc import Mapping, Sequence
from typing import Any

from databricks.sdk import WorkspaceClient
from databricks.sdk.service.catalog import (
    ColumnTypeName,
    CreateFunction,
    CreateFunctionParameterStyle,
    CreateFunctionRoutineBody,
    CreateFunctionSecurityType,
    CreateFunctionSqlDataAccess,
    FunctionInfo,
)
from databricks.sdk.service.ml import OnlineStore, PublishSpec, PublishSpecPublishMode

from proving_ground_client import models
from proving_ground_client.entities import Feature, FeatureLookup
from proving_ground_client.frames import Frame, arrow_of
from proving_ground_client.site import Site, Table, dotted
from proving_ground_client.spec import Spec, build, features_of
from proving_ground_client.tables import create, write
from proving_ground_client.training_set import TrainingSet
from proving_ground_client.types import sql_type


class FeatureEngineeringClient:
    """The calls of notebooks; all arguments by keyword. Errors of arguments are ValueError, those of the site its own."""

    def __init__(self, *, model_registry_uri: str | None = None, workspace: WorkspaceClient | None = None) -> None:
        self._site = Site(workspace)
        if model_registry_uri is not None:
            import mlflow

            mlflow.set_registry_uri(model_registry_uri)

    # --- tables ----------------------------------------------------------------------------------

    def create_table(
        self,
        *,
        name: str,
        primary_keys: str | Sequence[str],
        df: Any = None,
        schema: Any = None,
        timeseries_column: str | None = None,
        timeseries_columns: str | Sequence[str] | None = None,
        partition_columns: str | Sequence[str] | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Table:
        """A Delta table with a primary key, and the rows of `df`.

        `schema` (instead of `df`): name -> SQL type text. `primary_keys` includes the time-series column. The table is not
        partitioned; `partition_columns` is accepted. Raises ValueError.
        """
        times = timeseries_columns if timeseries_columns is not None else timeseries_column
        return create(self._site, name, primary_keys, df, schema, times, description, tags)

    def write_table(self, *, name: str, df: Any, mode: str = "merge") -> None:
        """Insert the rows, and update those whose primary key is there. Raises ValueError for any other mode."""
        write(self._site, name, df, mode)

    def read_table(self, *, name: str) -> Frame:
        """All rows of a feature table."""
        return Frame(self._site.read(name), self._site)

    def get_table(self, *, name: str) -> Table:
        """Columns and keys. Raises ValueError when it is not there or has no primary key."""
        found = self._site.table(name)
        if not found.primary_keys:
            raise ValueError(f"'{found.full_name}' is no feature table: it has no primary key constraint.")
        return found

    def drop_table(self, *, name: str) -> None:
        self._site.run(f"DROP TABLE {dotted(self._site.full_name(name))}")

    def set_feature_table_tag(self, *, name: str, key: str, value: str) -> None:
        self._site.run(f"ALTER TABLE {dotted(self._site.full_name(name))} SET TAGS ({_text(key)} = {_text(value)})")

    # --- training and scoring --------------------------------------------------------------------

    def create_training_set(
        self,
        *,
        df: Any,
        feature_lookups: Sequence[Feature] | None = None,
        feature_spec: str | None = None,
        label: str | None,
        exclude_columns: Sequence[str] | None = None,
        use_spark_native_join: bool = False,
        features: Sequence[Feature] | None = None,
    ) -> TrainingSet:
        """Rows of `df` with features; `label` None for none. Joins are always native here. Raises ValueError, TypeError."""
        data = arrow_of(df)
        given = [each for each in (feature_lookups, features, feature_spec) if each is not None]
        if len(given) != 1:
            raise ValueError("Name either feature_lookups or feature_spec.")
        wanted = given[0] if not isinstance(given[0], str) else self._features_of(given[0])
        if isinstance(exclude_columns, str):
            raise TypeError("exclude_columns must be a list of names.")
        types = {field.name: sql_type(field.type, field.name) for field in data.schema}
        spec = build(self._site, types, wanted, label=label, exclude_columns=exclude_columns or ())
        return TrainingSet(self._site, data, spec)

    def log_model(
        self,
        *,
        model: Any,
        artifact_path: str | None = None,
        flavor: Any,
        training_set: TrainingSet | None = None,
        registered_model_name: str | None = None,
        await_registration_for: int = 300,
        infer_input_example: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Log the model as its flavour does, with the spec of its features. `kwargs` go to the flavour's save_model."""
        return models.log_model(
            model,
            artifact_path,
            flavor,
            training_set,
            registered_model_name,
            await_registration_for=await_registration_for,
            infer_input_example=infer_input_example,
            **kwargs,
        )

    def score_batch(
        self,
        *,
        model_uri: str,
        df: Any,
        result_type: str = "double",
        env_manager: str = "local",
        params: Mapping[str, Any] | None = None,
    ) -> Frame:
        """The rows with their features and a column `prediction`. Raises ValueError."""
        return models.score_batch(self._site, model_uri, df, result_type, env_manager=env_manager, params=params)

    # --- serving ---------------------------------------------------------------------------------

    def create_feature_spec(
        self, *, name: str, features: Sequence[Feature], exclude_columns: Sequence[str] | None = None
    ) -> FunctionInfo:
        """A function of the catalog that an endpoint can serve. The keys of its look-ups are what callers send."""
        spec = self._spec_of(features, exclude_columns or ())
        catalog, schema, last = self._site.full_name(name).split(".")
        return self._site.workspace.functions.create(
            CreateFunction(
                name=last,
                catalog_name=catalog,
                schema_name=schema,
                input_params=None,  # type: ignore[arg-type]  # what callers send follows from the spec
                data_type=ColumnTypeName.STRING,
                full_data_type="STRING",
                routine_body=CreateFunctionRoutineBody.EXTERNAL,
                external_language="FEATURE_SPEC",
                routine_definition=spec.to_json(),
                parameter_style=CreateFunctionParameterStyle.S,
                is_deterministic=True,
                sql_data_access=CreateFunctionSqlDataAccess.NO_SQL,
                is_null_call=False,
                security_type=CreateFunctionSecurityType.DEFINER,
                specific_name=last,
            )
        )

    def create_online_store(self, *, name: str, capacity: str, read_replica_count: int | None = None) -> OnlineStore:
        store = OnlineStore(name=name, capacity=capacity, read_replica_count=read_replica_count)
        return self._site.workspace.feature_store.create_online_store(store)

    def get_online_store(self, *, name: str) -> OnlineStore:
        return self._site.workspace.feature_store.get_online_store(name)

    def publish_table(
        self,
        *,
        online_store: OnlineStore | str,
        source_table_name: str,
        online_table_name: str,
        publish_mode: str = "TRIGGERED",
    ) -> Any:
        """Copy the table into the online store and keep it up to date (TRIGGERED, CONTINUOUS or SNAPSHOT)."""
        store = online_store if isinstance(online_store, str) else online_store.name
        spec = PublishSpec(store, self._site.full_name(online_table_name), PublishSpecPublishMode(publish_mode))
        return self._site.workspace.feature_store.publish_table(self._site.full_name(source_table_name), spec)

    def _spec_of(self, features: Sequence[Feature], exclude_columns: Sequence[str]) -> Spec:
        """The data's columns are the keys of the look-ups and what functions take besides, of the types that tables have."""
        data: dict[str, str] = {}
        for each in features:
            if isinstance(each, FeatureLookup):
                table = self._site.table(each.table_name)
                key = [name for name in table.primary_keys if not (each.timestamp and name == table.timeseries)]
                data |= {ours: table.columns[theirs] for theirs, ours in zip(key, each.keys, strict=False)}
                if each.timestamp:
                    data.setdefault(each.timestamp, table.columns.get(table.timeseries, "timestamp"))
        found = {name for each in features if isinstance(each, FeatureLookup) for name in self._outputs(each)}
        for each in features:
            if not isinstance(each, FeatureLookup):
                info = self._site.workspace.functions.get(self._site.full_name(each.udf_name).lower())
                types = {
                    str(one.name): str(one.type_text) for one in (info.input_params.parameters if info.input_params else []) or []
                }
                for parameter, column in (each.input_bindings or {}).items():
                    if column not in found:
                        data.setdefault(column, types.get(parameter, "string"))
                found.add(each.output_name or self._site.full_name(each.udf_name).lower())
        return build(self._site, data, features, exclude_columns=exclude_columns)

    def _outputs(self, lookup: FeatureLookup) -> list[str]:
        table = self._site.table(lookup.table_name)
        names = lookup.features or [name for name in table.columns if name not in table.primary_keys]
        return [lookup.renames.get(name, name) for name in names]

    def _features_of(self, feature_spec: str) -> list[Feature]:
        """What the look-ups and functions of a feature spec were made from."""
        found = self._site.workspace.functions.get(self._site.full_name(feature_spec))
        return features_of(Spec.from_json(str(found.routine_definition)))


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
