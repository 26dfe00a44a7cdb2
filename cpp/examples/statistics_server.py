"""A server that uses NumPy and gives two results."""

from __future__ import annotations

from tech_renaissance import TechRenaissanceServer


class StatisticsServer(TechRenaissanceServer):
    """Answers `statistics matrix` with mean and standard deviation of each column."""

    framework = "numpy"  # get_tensors gives NumPy arrays, and PyTorch is never loaded

    def main_logic(self, command: str, parameters: str) -> bool:
        """Handle one request."""
        if command != "statistics":
            return False
        matrix = self.get_tensors(parameters, 1)
        if matrix is not None:
            self.send_tensors(matrix.mean(axis=0), matrix.std(axis=0))
        return True


if __name__ == "__main__":
    StatisticsServer().run()
