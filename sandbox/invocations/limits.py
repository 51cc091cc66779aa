"""Rate limits of an endpoint: counters in Redis that all gateways share, one script for each call of an endpoint that has limits.

Rules [docs: ai-gateway/rate-limits page]: the endpoint's limit is for everybody; a limit of one's own goes before those of one's
groups, and these before the default for each user; a group's members share its limit; whoever is in several groups is refused
when all of their limits are reached; of limits in calls and in tokens the stricter one decides. A minute is one of the real
clock, whatever speed the workspace's clock has (assumed: the documentation says "per minute", not when a minute begins).
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from sandbox.errors import RequestLimitExceeded
from sandbox.invocations.answers import Answer, error_answer
from sandbox.live import LiveEndpoint, LiveLimit, LiveToken

Measure = Literal["calls", "tokens"]
MINUTE_S = 60
KEPT_S = 2 * MINUTE_S
CHARACTERS_PER_TOKEN = 4
"""Where a provider counts no tokens: (length of the text + 1) / 4 [docs: configure-ai-gateway-endpoints page, usage tracking]."""

_ADMIT = """
local n = #KEYS
local room = {}
for i = 1, n do
  local rule = tonumber(ARGV[1 + i])
  if room[rule] == nil then room[rule] = false end
  if tonumber(redis.call('get', KEYS[i]) or '0') < tonumber(ARGV[1 + n + i]) then room[rule] = true end
end
for rule, has_room in ipairs(room) do
  if not has_room then return rule end
end
for i = 1, n do
  if ARGV[1 + 2 * n + i] == '1' then
    redis.call('incr', KEYS[i])
    redis.call('expire', KEYS[i], ARGV[1])
  end
end
return 0
"""
"""KEYS: counters. ARGV: seconds to keep them, then for each its rule, its limit, and whether a call counts there.

Returns the first rule of which no counter has room, and then counts nothing; else 0."""


@dataclass(frozen=True)
class Rule:
    """Who asks is admitted while one of the counters is below its limit."""

    measure: Measure
    counters: tuple[tuple[str, int], ...]
    """(name of the counter, the most that it may reach)."""


class Limits:
    """One per gateway."""

    def __init__(self, redis: Any) -> None:
        self._admit = redis.register_script(_ADMIT)

    async def refusal(self, endpoint: LiveEndpoint, token: LiveToken) -> Answer | None:
        """Count a call; the answer with status 429 when it is one too many, and then it does not count. Raises RedisError."""
        rules = rules_for(endpoint.limits, token.user_id)
        if not rules:
            return None
        now_s = time.time()
        numbered = [(number, rule, *each) for number, rule in enumerate(rules, 1) for each in rule.counters]
        keys = [_key(endpoint.endpoint_id, rule.measure, counter, now_s) for _, rule, counter, _ in numbered]
        counts = ["1" if rule.measure == "calls" else "0" for _, rule, _, _ in numbered]
        arguments = [KEPT_S, *(number for number, *_ in numbered), *(most for *_, most in numbered), *counts]
        refused_by = int(await self._admit(keys=keys, args=arguments))
        return _refusal(endpoint, token, rules[refused_by - 1], now_s) if refused_by else None


def rules_for(limits: Sequence[LiveLimit], user_id: str) -> list[Rule]:
    """The rules that hold for this person; a counter appears once for each measure."""
    found: list[Rule] = []
    for measure in ("calls", "tokens"):
        most = [(limit, limit.calls if measure == "calls" else limit.tokens) for limit in limits]
        known = [(limit, number) for limit, number in most if number is not None]
        shared = [number for limit, number in known if limit.counter == "endpoint"]
        users = [(limit, number) for limit, number in known if limit.counter == "user"]
        own = [number for limit, number in users if limit.people is not None and user_id in limit.people]
        groups = [
            (limit.counter, n) for limit, n in known if limit.counter.startswith("group:") and user_id in (limit.people or ())
        ]
        default = [number for limit, number in users if limit.people is None]
        if shared:
            found.append(Rule(measure, (("endpoint", min(shared)),)))
        if own:
            found.append(Rule(measure, ((f"user:{user_id}", min(own)),)))
        elif groups:
            found.append(Rule(measure, tuple(groups)))
        elif default:
            found.append(Rule(measure, ((f"user:{user_id}", min(default)),)))
    return found


async def count_tokens(redis: Any, endpoint: LiveEndpoint, token: LiveToken, request: str, response: str) -> None:
    """Add what an answer used to the counters that have a limit in tokens. Raises RedisError."""
    counters = {
        name for rule in rules_for(endpoint.limits, token.user_id) if rule.measure == "tokens" for name, _ in rule.counters
    }
    if not counters:
        return
    now_s, used = time.time(), tokens_of(request, response)
    pipe = redis.pipeline(transaction=False)
    for counter in counters:
        key = _key(endpoint.endpoint_id, "tokens", counter, now_s)
        pipe.incrby(key, used)
        pipe.expire(key, KEPT_S)
    await pipe.execute()


def tokens_of(request: str, response: str) -> int:
    """Tokens of the question and the answer as the provider counted them, else estimated from their length."""
    try:
        usage = orjson.loads(response).get("usage") or {}
        total = usage.get("total_tokens")
    except (orjson.JSONDecodeError, AttributeError):
        total = None
    if isinstance(total, int) and 0 <= total < 2**31:
        return total
    return sum((len(text) + 1) // CHARACTERS_PER_TOKEN for text in (request, response))


def _key(endpoint_id: str, measure: Measure, counter: str, now_s: float) -> str:
    return f"limit:{endpoint_id}:{int(now_s // MINUTE_S)}:{measure}:{counter}"


def _refusal(endpoint: LiveEndpoint, token: LiveToken, rule: Rule, now_s: float) -> Answer:
    wait_s = max(1, math.ceil(MINUTE_S - now_s % MINUTE_S))
    reached = " and ".join(f"{most} {rule.measure} per minute for {_whom(name, endpoint, token)}" for name, most in rule.counters)
    return error_answer(RequestLimitExceeded(f"Exceeded the rate limit of {reached}. Try again in {wait_s} s."), wait_s)


def _whom(counter: str, endpoint: LiveEndpoint, token: LiveToken) -> str:
    if counter == "endpoint":
        return f"endpoint {endpoint.name}"
    return f"user {token.requester}" if counter.startswith("user:") else f"group {counter.removeprefix('group:')}"
