"""The kinds of objects that the catalog's pages show: their words, icons, addresses and tabs."""

from dataclasses import dataclass
from urllib.parse import quote

from django.urls import reverse

from sandbox.catalog.models import Securable, SecurableType

Type = SecurableType


@dataclass(frozen=True)
class Tab:
    """One tab of an object's page; the first one's slug is empty."""

    slug: str
    label: str


@dataclass(frozen=True)
class Kind:
    """What pages know of one type of securable object."""

    type: SecurableType
    slug: str
    """In the plural, as in the address."""
    word: str
    plural: str
    icon: str
    tabs: tuple[Tab, ...]
    needed: tuple[str, ...] = ()
    """Any of these lets a person use what is in the object (besides USE_CATALOG and USE_SCHEMA above it)."""
    use: str = ""
    """What `needed` lets her do, as a verb phrase."""


_DETAILS, _LINEAGE, _PERMISSIONS = Tab("details", "Details"), Tab("lineage", "Lineage"), Tab("permissions", "Permissions")
CATALOG = Kind(
    Type.CATALOG,
    "catalogs",
    "Catalog",
    "Catalogs",
    "stack-2",
    (Tab("", "Schemas"), _DETAILS, _PERMISSIONS),
)
SCHEMA = Kind(
    Type.SCHEMA,
    "schemas",
    "Schema",
    "Schemas",
    "database",
    (Tab("", "Contents"), _DETAILS, _PERMISSIONS),
)
TABLE = Kind(
    Type.TABLE,
    "tables",
    "Table",
    "Tables",
    "table",
    (
        Tab("", "Columns"),
        Tab("sample", "Sample"),
        Tab("features", "Features"),
        Tab("history", "History"),
        _LINEAGE,
        _DETAILS,
        _PERMISSIONS,
    ),
    ("SELECT",),
    "read its rows",
)
VOLUME = Kind(
    Type.VOLUME,
    "volumes",
    "Volume",
    "Volumes",
    "folder",
    (Tab("", "Files"), _DETAILS, _PERMISSIONS),
    ("READ_VOLUME", "WRITE_VOLUME"),
    "read its files",
)
FUNCTION = Kind(
    Type.FUNCTION,
    "functions",
    "Function",
    "Functions",
    "math-function",
    (Tab("", "Definition"), _LINEAGE, _DETAILS, _PERMISSIONS),
    ("EXECUTE",),
    "call it",
)
MODEL = Kind(
    Type.MODEL,
    "models",
    "Model",
    "Models",
    "package",
    (Tab("", "Versions"), _LINEAGE, _DETAILS, _PERMISSIONS),
    ("EXECUTE",),
    "load and serve its versions",
)
KINDS = (CATALOG, SCHEMA, TABLE, VOLUME, FUNCTION, MODEL)
IN_SCHEMA = (TABLE, VOLUME, FUNCTION, MODEL)
_BY_TYPE = {kind.type: kind for kind in KINDS}
_BY_SLUG = {kind.slug: kind for kind in KINDS}


def kind_of(securable: Securable) -> Kind:
    return _BY_TYPE[SecurableType(securable.securable_type)]


def kind_called(slug: str) -> Kind:
    """Raises KeyError for a word that is none."""
    return _BY_SLUG[slug]


def url_of(kind: Kind, full_name: str, tab: str = "") -> str:
    """Address of an object's page; models have theirs under /sandbox/models/."""
    base = reverse("catalog") if kind is not MODEL else reverse("model_list")
    path = f"{base}{'' if kind is MODEL else kind.slug + '/'}{quote(full_name, safe='')}/"
    return path + (f"{tab}/" if tab else "")


def version_url(full_name: str, version: int | str) -> str:
    return f"{url_of(MODEL, full_name)}versions/{version}/"
