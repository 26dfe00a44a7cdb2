"""The second stage: which digits these are. It runs a PyTorch model on batches of what all callers send."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from tech_renaissance import Tensor, endpoint, service

if TYPE_CHECKING:
    from network import Network

# PyTorch's, as the service says; whoever only needs the class does not import PyTorch for it.
Digits = Annotated[Any, Tensor["uint8", "n 8 8"]]
Labels = Annotated[Any, Tensor["int64", "n"]]
Shares = Annotated[Any, Tensor["float32", "n"]]


class Classified(NamedTuple):
    """The most likely digit of each image, and how likely that is."""

    labels: Labels
    certainty: Shares


def blank(_: object) -> dict[str, Any]:
    """One image, by which `serve` finds out whether a worker works."""
    import torch

    return {"digits": torch.zeros(1, 8, 8, dtype=torch.uint8)}


@service(framework="torch")
class Classify:
    """Knows digits, from the weights that $DIGITS_WEIGHTS names."""

    network: Network

    def on_start(self) -> None:
        """In the worker alone, before its first call."""
        import torch
        from network import Network

        torch.set_grad_enabled(False)
        self.network = Network().eval()
        self.network.load_state_dict(torch.load(os.environ["DIGITS_WEIGHTS"], weights_only=True))

    @endpoint(max_batch_size=512, max_queue_delay_ms=2, example=blank)
    def classify(self, digits: Digits) -> Classified:
        """Gives each image its digit; `digits` may be those of several callers, one behind the other."""
        certainty, labels = self.network(digits).softmax(dim=1).max(dim=1)
        return Classified(labels, certainty)
