"""Callers that never stop asking, and remember every answer that they were given."""

import asyncio
import itertools
from dataclasses import dataclass, field

import httpx

CALLERS = 8
LARGE_EVERY = 3
LARGE_TEXT = "x" * 40_000
"""Makes bodies so large that they are kept apart from their message."""


@dataclass
class Answers:
    """client_request_id of every request, by what came back."""

    right: dict[str, float] = field(default_factory=dict)
    """answered 200 with the right sum -> when, in seconds of the event loop's clock"""
    refused: dict[str, int] = field(default_factory=dict)
    """answered with another status"""
    broken: set[str] = field(default_factory=set)
    """no answer: the connection was cut"""
    wrong: list[str] = field(default_factory=list)


class Load:
    """`async with Load(url, token, prefix) as load`: asks from entry to exit."""

    def __init__(self, url: str, token: str, prefix: str) -> None:
        self.answers = Answers()
        self._url, self._token, self._prefix = url, token, prefix
        self._numbers = itertools.count()
        self._stop = asyncio.Event()
        self._answered = asyncio.Condition()
        self._callers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Load":
        self._callers = [asyncio.create_task(self._call()) for _ in range(CALLERS)]
        return self

    async def __aexit__(self, *failure: object) -> None:
        self._stop.set()
        await asyncio.wait_for(asyncio.gather(*self._callers), 150)

    async def until_answered(self, count: int, within_s: float) -> None:
        """Wait for `count` more right answers."""
        wanted = len(self.answers.right) + count
        async with asyncio.timeout(within_s), self._answered:
            await self._answered.wait_for(lambda: len(self.answers.right) >= wanted)

    async def _call(self) -> None:
        bearer = {"Authorization": f"Bearer {self._token}"}
        async with httpx.AsyncClient(headers=bearer, timeout=120, trust_env=False) as client:
            while not self._stop.is_set():
                await self._ask(client, next(self._numbers))

    async def _ask(self, client: httpx.AsyncClient, number: int) -> None:
        request_id = f"{self._prefix}-{number}"
        context = {"note": LARGE_TEXT} if number % LARGE_EVERY == 0 else {}
        rows = [{"a": number, "b": 0.5, "c": 1}]
        body = {"client_request_id": request_id, "usage_context": context, "dataframe_records": rows}
        try:
            answer = await client.post(self._url, json=body)
        except httpx.TransportError:
            self.answers.broken.add(request_id)
            await asyncio.sleep(0.05)
            return
        if answer.status_code != 200:
            self.answers.refused[request_id] = answer.status_code
            await asyncio.sleep(0.05)
        elif abs(answer.json()["predictions"][0] - (number + 1.5)) > 1e-3:
            self.answers.wrong.append(f"{request_id}: {answer.text}")
        else:
            self.answers.right[request_id] = asyncio.get_running_loop().time()
            async with self._answered:
                self._answered.notify_all()
