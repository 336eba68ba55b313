"""The embedded engine: a durable one-machine chain without other set-up."""

from .engine import EmbeddedEngine, EngineOptions, Head
from .server import RpcServer

__all__ = ["EmbeddedEngine", "EngineOptions", "Head", "RpcServer"]
