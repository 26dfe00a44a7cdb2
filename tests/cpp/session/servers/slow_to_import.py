"""A server whose imports take as long as the test wants."""

import os

from tech_renaissance import TechRenaissanceServer

with open(os.environ["TR_TEST_GATE"], encoding="utf-8") as gate:
    gate.read()

TechRenaissanceServer().run()
