"""A server whose imports take as long as the test wants."""

import os

from tech_renaissance import TechRenaissanceServer

with open(os.environ["TR_TEST_GATE"], encoding="utf-8") as gate:
    gate.read()


class SlowToImport(TechRenaissanceServer):
    def main_logic(self, command, parameters):
        raise NotImplementedError(command)


SlowToImport().run()
