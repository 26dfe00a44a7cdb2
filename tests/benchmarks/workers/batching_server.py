"""A PyTorch MLP, as an endpoint that takes calls in batches and as one that does not; $BENCH_WIDTHS says how large."""

from __future__ import annotations

import os
from typing import Annotated

import torch

from tech_renaissance import TechRenaissanceServer, Tensor, endpoint

Rows = Annotated[torch.Tensor, Tensor["float32", "b n"]]
Scores = Annotated[torch.Tensor, Tensor["float32", "b m"]]


class Server(TechRenaissanceServer):
    """The same model behind both."""

    framework = "torch"

    def on_start(self) -> None:
        """Makes the model."""
        torch.manual_seed(0)
        widths = [int(width) for width in os.environ["BENCH_WIDTHS"].split()]
        layers: list[torch.nn.Module] = []
        for width, following in zip(widths, widths[1:]):
            layers += [torch.nn.Linear(width, following), torch.nn.ReLU()]
        self.model = torch.nn.Sequential(*layers[:-1]).eval()

    @endpoint
    def plain(self, x: Rows) -> Scores:
        """What it is given, at once."""
        with torch.inference_mode():
            return self.model(x)  # type: ignore[no-any-return]

    @endpoint(max_batch_size=64, max_queue_delay_ms=5)
    def batched(self, x: Rows) -> Scores:
        """The same."""
        return self.plain(x)


if __name__ == "__main__":
    Server().run()
