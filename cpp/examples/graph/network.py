"""The network that knows digits; 8 x 8 pixels with values from 0 to 16."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Network(nn.Module):
    """Gives the scores of the ten digits, of shape (n, 10), for UINT8 images of shape (n, 8, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32 * 4 * 4, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        """As the class says."""
        scores: Tensor = self.layers(images.unsqueeze(1).float() / 16)
        return scores


def trained(images: Tensor, labels: Tensor, epochs: int = 12, batch_size: int = 64) -> Network:
    """A network that has learnt these."""
    torch.manual_seed(0)
    network = Network()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(batch_size):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images[batch]), labels[batch]).backward()
            optimizer.step()
    return network.eval()
