"""Model files whose loading does something: what a pickle may call is up to whoever wrote it."""

import json
import os
import pickle
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import yaml


class Calls:
    """Unpickling it calls `function(*arguments)`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def runs(program: str) -> bytes:
    """A pickle that runs Python text."""
    return pickle.dumps(Calls(exec, program))


def evil_pickles(bait: Path) -> dict[str, bytes]:
    """Pickles by what they try. `bait` is a file of the site, readable for everybody, and its folder writable."""
    planted = str(bait.parent / "planted")
    return {
        "run a shell": pickle.dumps(Calls(os.system, f"touch {planted}")),
        "write a file": runs(f"open({planted!r}, 'w').write('x')"),
        "read a file": runs(f"raise ValueError(open({str(bait)!r}).read())"),
        "connect": runs("import socket; socket.create_connection(('127.0.0.1', 80))"),
        "fork": runs("import os; os.fork()"),
        "leave without a result": runs("import os; os._exit(0)"),
        "crash": runs("import ctypes; ctypes.string_at(0)"),
        "take all memory": runs("x = bytearray(64 << 30)"),
        "loop": runs("while True: pass"),
        "forge an empty result": runs(
            "import os\nfor fd in range(3, 12):\n  try: os.write(fd, b'R' + bytes(8))\n  except OSError: pass\nos._exit(0)"
        ),
        "broken": b"\x80\x05\x95garbage",
        "no estimator": pickle.dumps({"not": "a model"}),
    }


def model_folder(folder: Path, content: bytes, name: str = "model.pkl", **sklearn: str) -> Path:
    """An MLflow model around the file, as one writes it by hand."""
    folder.mkdir(parents=True)
    flavour = {"pickled_model": name, "serialization_format": "pickle", "sklearn_version": "1.9.1", **sklearn}
    inputs = '[{"type": "double", "name": "a", "required": true}]'
    mlmodel = {"flavors": {"sklearn": flavour}, "signature": {"inputs": inputs}}
    (folder / "MLmodel").write_text(yaml.safe_dump(mlmodel))
    (folder / name).write_bytes(content)
    return folder


def evil_skops() -> bytes:
    """A skops file that calls os.path.expandvars by a type that its author would have trusted."""
    schema = {
        "__class__": "expandvars",
        "__module__": "posixpath",
        "__loader__": "FunctionNode",
        "__id__": 1,
        "content": {"module_path": "posixpath", "function": "expandvars"},
        "protocol": 2,
        "_skops_version": "0.16.0",
    }
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    return packed.getvalue()
