"""What a course's notebooks find under `DA`: whose they are, and a catalog, a schema and folders of their own on the site."""

import re
import zlib
from dataclasses import dataclass

from proving_ground_client.site import Site, dotted

_WORKING, _DATASETS = "working_dir", "datasets"


@dataclass(frozen=True)
class Paths:
    """Folders on the site, `/Volumes/…`."""

    working_dir: str
    datasets: str


@dataclass(frozen=True)
class Course:
    """Made by `prepare`."""

    username: str
    catalog_name: str
    schema_name: str
    paths: Paths

    def unique_name(self, sep: str) -> str:
        """The same name each time: the person's, and four digits that tell apart those whose names look alike."""
        return f"{_plain(self.username, sep)}{sep}{zlib.crc32(self.username.encode()) % 10_000:04}"


def prepare(site: Site, catalog: str) -> Course:
    """Make what is missing, and make the person's schema the one that completes names. Raises SqlError."""
    username = str(site.workspace.current_user.me().user_name)
    schema = _plain(username, "_")
    site.run(f"CREATE CATALOG IF NOT EXISTS {dotted(catalog)}")
    site.run(f"CREATE SCHEMA IF NOT EXISTS {dotted(f'{catalog}.{schema}')}")
    for volume in (_WORKING, _DATASETS):
        site.run(f"CREATE VOLUME IF NOT EXISTS {dotted(f'{catalog}.{schema}.{volume}')}")
    site.use(catalog, schema)
    folder = f"/Volumes/{catalog}/{schema}"
    return Course(username, catalog, schema, Paths(f"{folder}/{_WORKING}", f"{folder}/{_DATASETS}"))


def _plain(username: str, sep: str) -> str:
    """The part before an @, in small letters, digits and `sep`; at most 30 characters."""
    return re.sub(r"[^a-z0-9]+", sep, username.partition("@")[0].lower()).strip(sep)[:30] or "learner"
