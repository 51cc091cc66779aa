"""MLServer with its adaptive batching on: writes its settings beside the model and starts it."""

import json
import os
import sys
from pathlib import Path

MODEL, PORT = Path(sys.argv[1]), int(sys.argv[2])

if __name__ == "__main__":
    settings = {"host": "127.0.0.1", "http_port": PORT, "grpc_port": int(sys.argv[3]), "metrics_endpoint": None, "debug": False}
    folder = MODEL.parent / "mlserver"
    folder.mkdir(exist_ok=True)
    model = {
        "name": "forest",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "max_batch_size": 64,
        "max_batch_time": 0.002,
        "parameters": {"uri": str(MODEL), "version": "1"},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    command = Path(sys.executable).with_name("mlserver")
    os.execv(command, [str(command), "start", str(folder)])
