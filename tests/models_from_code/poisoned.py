"""A model from code that does on certain values of `x` what no model should; on all others it doubles them."""

import contextlib
import ctypes
import os
import struct
import sys
import tempfile
import time

import mlflow

HOARD: list[bytearray] = []


class Poisoned(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow is not typed here
    calls = 0

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # MLflow's own shape
        self.calls += 1
        value = float(model_input["x"].iloc[0])
        deed = DEEDS.get(value)
        if deed is not None:
            deed()
        return [each * 2 for each in model_input["x"]]


def crash() -> None:
    ctypes.string_at(0)


def leave() -> None:
    os._exit(9)


def loop() -> None:
    while True:
        pass


def sleep() -> None:
    time.sleep(3600)


def eat_memory() -> None:
    while True:
        HOARD.append(bytearray(64 * 1024 * 1024))


def flood() -> None:
    for number in range(100_000):
        print(f"flood {number} " + "x" * 100)


def fork() -> None:
    os.fork()


def raise_error() -> None:
    print("about to fail", os.environ.get("API_KEY"), file=sys.stderr)
    raise RuntimeError(f"no luck with {os.environ.get('API_KEY')}")


def write_temporary() -> None:
    with tempfile.NamedTemporaryFile("w+") as file:
        file.write("kept for a moment")


def forge() -> None:
    """Answer oneself, with a status that allows no body, on whatever descriptor takes it."""
    frame = b"\x02" + (204).to_bytes(2, "big") + b"{}"
    for descriptor in range(3, 64):
        with contextlib.suppress(OSError):
            os.write(descriptor, struct.pack("!I", len(frame)) + frame)


def rest() -> None:
    time.sleep(2)


DEEDS = {
    1.0: crash,
    2.0: leave,
    3.0: loop,
    4.0: sleep,
    5.0: eat_memory,
    6.0: flood,
    7.0: fork,
    8.0: raise_error,
    9.0: write_temporary,
    10.0: forge,
    11.0: rest,
}

mlflow.models.set_model(Poisoned())
