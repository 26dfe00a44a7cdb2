"""A small convolutional network that learns and classifies handwritten digits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tech_renaissance import TechRenaissanceServer


class DigitsServer(TechRenaissanceServer):
    """Answers `train_epoch images labels` with the mean loss, and `classify images` with labels.

    Images are UINT8 of shape (n, 8, 8) with values from 0 to 16, labels INT64 of shape (n,).
    """

    def __init__(self) -> None:
        super().__init__()
        # One thread and one seed: the demo prints the same numbers every time.
        torch.set_num_threads(1)
        torch.manual_seed(0)
        self.model = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32 * 4 * 4, 10),
        )
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=3e-3)

    def main_logic(self, command: str, parameters: str) -> bool:
        """Handle one request."""
        if command == "train_epoch":
            tensors = self.get_tensors(parameters, 2)
            if tensors is not None:
                self.write_response(command, f"{self.train_epoch(*tensors):.4f}")
            return True
        if command == "classify":
            images = self.get_tensors(parameters, 1)
            if images is not None:
                self.send_tensors(self.classify(images))
            return True
        return False

    def train_epoch(self, images: Tensor, labels: Tensor, batch_size: int = 64) -> float:
        """Look at every image once, in a new order; returns the mean loss."""
        self.model.train()
        total = 0.0
        for batch in torch.randperm(len(images)).split(batch_size):
            self.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.model(network_input(images[batch])), labels[batch])
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(batch)
        return total / len(images)

    @torch.no_grad()
    def classify(self, images: Tensor) -> Tensor:
        """Give the most likely digit of each image."""
        self.model.eval()
        return self.model(network_input(images)).argmax(dim=1)


def network_input(images: Tensor) -> Tensor:
    """Give images as the network takes them: FP32 from 0 to 1, of shape (n, 1, 8, 8)."""
    return images.unsqueeze(1).float() / 16


if __name__ == "__main__":
    DigitsServer().run()
