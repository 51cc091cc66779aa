"""A model from code that looks through all the memory of its process for a text."""

import mlflow


class MemoryReader(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow is not typed here
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # MLflow's own shape
        # in halves that are never put together, so that the request itself is not what is found
        first, second = (str(model_input[half].iloc[0]).encode() for half in ("first", "second"))
        return [sum(_count(region, first, second) for region in _regions())]


def _count(region, first, second):  # type: ignore[no-untyped-def]
    found, at = 0, region.find(first)
    while at >= 0:
        start = at + len(first)
        found += region[start : start + len(second)] == second
        at = region.find(first, at + 1)
    return found


def _regions():  # type: ignore[no-untyped-def]
    """The readable, writable memory, region by region."""
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            try:
                memory.seek(start)
                yield memory.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue


mlflow.models.set_model(MemoryReader())
