"""Ray Serve with its batching on."""

import signal
import sys
from typing import Any

import joblib
import numpy as np
import ray
from ray import serve
from starlette.requests import Request

MODEL, PORT = sys.argv[1], int(sys.argv[2])


@serve.deployment(max_ongoing_requests=256)
class Forest:
    def __init__(self) -> None:
        self.model = joblib.load(MODEL)

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.002)
    async def predict(self, batches: list[np.ndarray]) -> list[list[Any]]:
        output = self.model.predict(np.concatenate(batches))
        return [part.tolist() for part in np.split(output, np.cumsum([len(rows) for rows in batches])[:-1])]

    async def __call__(self, request: Request) -> dict[str, Any]:
        body = await request.json()
        return {"predictions": await self.predict(np.array(body["rows"]))}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    serve.start(http_options={"host": "127.0.0.1", "port": PORT}, logging_config={"enable_access_log": False})
    serve.run(Forest.bind(), route_prefix="/predict")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
