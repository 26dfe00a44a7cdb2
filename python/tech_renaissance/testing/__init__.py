"""Testing servers without a worker: `ServerHarness`, and for pytest a fixture of the name `server_harness`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .harness import ServerHarness

__all__ = ["ServerHarness"]


def __getattr__(name: str) -> object:
    # On first use, as pytest loads this package wherever it is installed.
    if name == "ServerHarness":
        from .harness import ServerHarness

        return ServerHarness
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
