"""The name that `tech_renaissance.server` has for users."""

from .worker.server import TechRenaissanceServer

__all__ = ["TechRenaissanceServer"]
