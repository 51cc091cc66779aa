"""MLflow's own scoring server, several models in one process: the norm that the sandbox's answers are compared with.

Run as a script: the port, then folders of logged models; each answers under /<folder name>/invocations.
"""

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from mlflow.pyfunc import load_model, scoring_server


def application(folders: list[str]) -> FastAPI:
    """One unmodified scoring server for each model, side by side."""
    app = FastAPI()
    for folder in folders:
        app.mount(f"/{Path(folder).name}", scoring_server.init(load_model(folder)))
    return app


if __name__ == "__main__":
    uvicorn.run(application(sys.argv[2:]), host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
