"""A server that has answered the request to exit, and leaves when the test lets it."""

import os

from tech_renaissance import TechRenaissanceServer


class LeavesLate(TechRenaissanceServer):
    def main_logic(self, command, parameters):
        return False


LeavesLate().run()
if "TR_TEST_GATE" in os.environ:
    with open(os.environ["TR_TEST_GATE"], encoding="utf-8") as gate:
        gate.read()
