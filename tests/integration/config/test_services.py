"""The whole site on a PostgreSQL and a Redis that run elsewhere, with a call that goes through both."""

import os
import shutil

import httpx
import pytest

from tests.deployed import deploy_sum_model
from tests.stack import Stack, wait_for

DATABASE_URL, REDIS_URL = os.environ.get("TEST_DATABASE_URL", ""), os.environ.get("TEST_REDIS_URL", "")
pytestmark = pytest.mark.skipif(not (DATABASE_URL and REDIS_URL), reason="needs TEST_DATABASE_URL, TEST_REDIS_URL (.ci/run)")


def test_the_site_runs_on_them_and_keeps_nothing_of_its_own() -> None:
    with Stack(DATABASE_URL=DATABASE_URL, REDIS_URL=REDIS_URL) as site:
        assert "redis" not in site.output().replace("redis is ready", "")  # none was started here
        assert not (site.data_dir / "db.sqlite3").exists()
        assert not (site.data_dir / "redis").exists()
        token = site.token("learner")
        deploy_sum_model(site, token, "services")
        bearer = {"Authorization": f"Bearer {token}"}
        body = {"dataframe_records": [{"a": 1, "b": 2, "c": 3.5}]}
        url = f"{site.url}/serving-endpoints/services/invocations"
        answer = httpx.post(url, json=body, headers=bearer, timeout=60)
        assert answer.json()["predictions"] == pytest.approx([6.5], abs=1e-4)
        folder = site.data_dir / "delta"
        wait_for(lambda: list(folder.glob("*/main/default/services_payload/_delta_log/*.json")), 90, "the call was not captured")
        assert site.stop() == 0
        assert site.running_processes() == {}
    shutil.rmtree(site.data_dir)
