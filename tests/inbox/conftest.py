"""The fixtures of the tests of the inbox."""

from tests.inbox.databases import database, mysql_url, postgres_url, redis_port, sqlite_url

__all__ = ["database", "mysql_url", "postgres_url", "redis_port", "sqlite_url"]
