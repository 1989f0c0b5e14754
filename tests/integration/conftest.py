"""Fixtures of the integration tests; each engine's are in a module of their own."""

from docker_support import bench, docker_client

__all__ = ["bench", "docker_client"]
