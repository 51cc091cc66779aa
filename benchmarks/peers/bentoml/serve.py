"""BentoML with its adaptive batching on. Started as `bentoml serve serve:Forest`; MODEL is in the environment."""

import os
from typing import Any

import bentoml
import joblib
import numpy as np


@bentoml.service(traffic={"timeout": 60}, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Predictor:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=60_000)
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.model.predict(rows)


@bentoml.service(traffic={"timeout": 60}, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Forest:
    """Batching works between services: this one takes the requests, the other predicts."""

    predictor = bentoml.depends(Predictor)

    @bentoml.api
    async def predict(self, rows: np.ndarray) -> dict[str, Any]:
        return {"predictions": (await self.predictor.to_async.predict(rows)).tolist()}
