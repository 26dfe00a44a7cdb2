"""The law of a control loop, for control_loop.cpp. It needs NumPy."""

from __future__ import annotations

import gc

import numpy as np

from tech_renaissance import TechRenaissanceServer


class ControlServer(TechRenaissanceServer):
    """Answers `force state` with the force that brings a mass at (position, speed) to rest at 0."""

    framework = "numpy"

    def on_start(self) -> None:
        """Prepares for a loop."""
        self.gains = np.array([8.0, 4.0])
        gc.disable()  # a collection takes longer than a cycle; what main_logic makes here has no cycles in it

    def main_logic(self, command: str, parameters: str) -> bool:
        """Handle one request."""
        if command != "force":
            return False
        state = self.get_tensors(parameters, 1)
        if state is not None:
            self.send_tensors(-np.dot(self.gains, state))
        return True


if __name__ == "__main__":
    ControlServer().run()
