"""A replica's connection to Redis: it outlives Redis's restarts, and what is asked on it is answered in turn."""

import orjson
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from sandbox.inference_tables import bodies, capture
from sandbox.replicas.commits import Commits
from sandbox.replicas.messages import committed_key
from sandbox.replicas.requests import Pending, RequestAnswer

KEY = bodies.bodies_key("reply:1", "e1.1")


def _answered(status: int) -> Pending:
    request = Pending("r1", "[1]", "ws1", "main.default.t", "learner", 1.5, 2e9)
    request.bodies_key, request.body_at, request.answer = KEY, (0, 3), RequestAnswer(status, "{}")
    return request


def test_bodies_and_answers_after_the_connection_has_ended(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url, retry=Retry(NoBackoff(), 0))
    client.flushdb()
    client.set(KEY, b"[1]", ex=bodies.KEPT_S)
    commits = Commits(client)
    assert (commits.fetch(KEY), commits.fetch("bodies:none")) == (b"[1]", None)
    for status in (200, 400):
        redis.Redis.from_url(redis_url).client_kill_filter(skipme=True, _type="normal")
        assert commits.fetch(KEY) == b"[1]"
        redis.Redis.from_url(redis_url).client_kill_filter(skipme=True, _type="normal")
        commits.commit("reply:1", f"e1.{status}", [_answered(status)], "e1")
        assert client.exists(committed_key("reply:1", f"e1.{status}"))
    assert [orjson.loads(reply) for reply in client.lrange("reply:1", 0, -1)] == [
        ["e1.400", [[400, "{}"]]],
        ["e1.200", [[200, "{}"]]],
    ]
    assert [fields[capture.BODIES_FIELD].decode() for _, fields in client.xrange(capture.STREAM)] == [KEY, KEY]
    assert (client.ttl(KEY), client.hgetall(bodies.HELD_KEY)) == (-1, {KEY.encode(): b"3"})
    client.flushdb()
