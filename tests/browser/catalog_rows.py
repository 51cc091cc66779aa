"""A catalog with one object of each kind, made by the catalog's own operations: no other process needs to run."""

from typing import Any

import pyarrow as pa

from sandbox.catalog import functions, grants, lineage, table_rows, tables, tags, volumes
from sandbox.catalog.column_types import Column
from sandbox.catalog.functions import Definition, Parameter
from sandbox.catalog.lineage import Kind, Node
from sandbox.catalog.models import ModelAlias, ModelVersion, Securable
from sandbox.registry import registered_models
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import User
from sandbox.workspaces.operations import open_workspace

TABLE, VIEW, VOLUME = "main.default.customers", "main.default.loyal", "main.default.uploads"
FUNCTION, MODEL = "main.default.risk", "main.default.churn_model"
HOSTILE = "<script>alert(1)</script>"
DESCRIBED = {
    "flavor": "sklearn",
    "flavor_version": "1.7.2",
    "inputs": [{"name": "tenure", "type": "double", "required": True}, {"name": "charges", "type": "double", "required": False}],
    "outputs": [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}],
    "has_inputs": True,
    "has_outputs": True,
}


def keep_files_in(folder: Any, to: Any) -> None:
    """Settings for everything that the catalog keeps on disk."""
    for name in ("DELTA_DIR", "VOLUMES_DIR", "UPLOADS_DIR"):
        setattr(to, name, folder / name.lower())
    to.DATA_DIR = folder


def make_catalog(user: User) -> Caller:
    """The learner's catalog `main` with a table, a view, a volume with a file, a function, and a model with two versions."""
    owner = Caller(open_workspace(user), user)
    table = make_table(owner)
    tables.create_view(owner, VIEW, f"SELECT id FROM {TABLE} WHERE tenure < 24", [Column("id", "bigint")])
    volume = volumes.create_volume(owner, VOLUME, comment="Files that were sent to us")
    folder = volumes.folder_of(volume)
    (folder / "2026").mkdir(parents=True)
    (folder / "churn.csv").write_text("tenure,charges\n1,90\n")
    body = 'return "high" if tenure < 12 else "low"'
    functions.create_function(owner, FUNCTION, Definition("PYTHON", body, (Parameter("tenure", "int"),), "string"))
    make_model(owner)
    tags.set_tags(owner, table, {"team": "growth", "pii": ""})
    grants.change(owner, table, {"users": ["SELECT"]}, {})
    return owner


def make_table(owner: Caller) -> Securable:
    columns = [
        Column("id", "bigint", False, "Key"),
        Column("name", "string"),
        Column("tenure", "int"),
        Column("more", "array<int>"),
    ]
    table = tables.create_table(owner, TABLE, columns, primary_key=["id"], comment="Who buys from us")
    rows = {"id": [1, 2], "name": ["Ada", HOSTILE], "tenure": [3, None], "more": [[1, 2], None]}
    table_rows.append(owner, TABLE, pa.table(rows))
    table_rows.append(owner, TABLE, pa.table({"id": [3]}))
    return table


def make_model(owner: Caller) -> Securable:
    model = registered_models.create_model(owner, MODEL, comment="Who will leave")
    for number in (1, 2):
        ModelVersion.objects.create(
            registered_model=model,
            version=number,
            status=ModelVersion.Status.READY,
            described=DESCRIBED,
            source=f"models:/m-{number}",
            created_by="learner",
            updated_by="learner",
        )
    ModelAlias.objects.create(registered_model=model, alias="champion", alias_key="champion", version=1)
    version = Node(Kind.MODEL_VERSION, f"{MODEL}/1")
    lineage.record(owner.workspace, Node(Kind.TABLE, TABLE), version)
    lineage.record(owner.workspace, Node(Kind.RUN, "0f3c9d"), version)
    lineage.record(owner.workspace, version, Node(Kind.ENDPOINT, "example-churn"))
    lineage.record(owner.workspace, Node(Kind.ENDPOINT, "example-churn"), Node(Kind.TABLE, "main.default.not_there"))
    return model
