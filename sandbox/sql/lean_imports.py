"""Makes the imports of the SQL job fit the jail: one thread, little address space, no pandas.

Imported before DuckDB and Arrow, in the jailed process only: what it does here stays with the process.
"""

import ctypes
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType


class _WithoutPandas:
    """Answers imports of pandas with ImportError: Arrow and DuckDB would load it, 0.2 s long, and not use it."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.partition(".")[0] == "pandas":
            raise ModuleNotFoundError("pandas is left out on purpose", name=name)
        return None


_M_ARENA_MAX = -8
# each thread would otherwise reserve 64 MiB of the address space
ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
# mimalloc reserves 1 GiB, and jemalloc starts a thread that the jail does not admit
os.environ.update(ARROW_DEFAULT_MEMORY_POOL="system", JE_ARROW_MALLOC_CONF="background_thread:false")
sys.meta_path.insert(0, _WithoutPandas)
