"""LitServe with its batching on: one process that answers HTTP, one that predicts."""

import sys
from typing import Any

import joblib
import litserve
import numpy as np

MODEL, PORT = sys.argv[1], int(sys.argv[2])


class Forest(litserve.LitAPI):  # type: ignore[misc]  # the package is not installed where types are checked
    def setup(self, device: str) -> None:
        self.model = joblib.load(MODEL)

    def decode_request(self, request: dict[str, Any]) -> np.ndarray:
        return np.array(request["rows"])

    def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
        self.counts = [len(rows) for rows in inputs]
        return np.concatenate(inputs)

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.model.predict(rows)

    def unbatch(self, output: np.ndarray) -> list[np.ndarray]:
        return np.split(output, np.cumsum(self.counts)[:-1])

    def encode_response(self, output: np.ndarray) -> dict[str, Any]:
        return {"predictions": output.tolist()}


if __name__ == "__main__":
    api = Forest(max_batch_size=64, batch_timeout=0.002, api_path="/predict")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=PORT, generate_client_file=False, log_level="warning")
