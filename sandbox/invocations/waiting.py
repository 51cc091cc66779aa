"""The requests that wait for a replica of one served entity, in order, and how many bytes their bodies have."""

from collections import deque

from sandbox.invocations.answers import Answer
from sandbox.invocations.requests import Request


class Waiting(deque[Request]):
    """Its methods here are the ones by which it changes."""

    size_bytes = 0

    def append(self, request: Request) -> None:
        super().append(request)
        self.size_bytes += len(request.body)

    def appendleft(self, request: Request) -> None:
        super().appendleft(request)
        self.size_bytes += len(request.body)

    def popleft(self) -> Request:
        request = super().popleft()
        self.size_bytes -= len(request.body)
        return request

    def resolve_all(self, answer: Answer) -> None:
        """Answer every request."""
        while self:
            self.popleft().resolve(answer)

    def resolve_late(self, answer: Answer, now_s: float) -> None:
        """Answer what is past its deadline, and leave out what has been answered."""
        for request in self:
            if request.deadline_s < now_s:
                request.resolve(answer)
        if any(request.future.done() for request in self):
            for _ in range(len(self)):
                if not (request := self.popleft()).future.done():
                    self.append(request)
