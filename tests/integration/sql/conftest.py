"""The fixtures of the inference tables: statements read them."""

from tests.integration.inference_tables.conftest import delta_dir, redis_client, redis_socket, site_redis, workspace

__all__ = ["delta_dir", "redis_client", "redis_socket", "site_redis", "workspace"]
