"""A server whose on_start fails."""

from tech_renaissance import TechRenaissanceServer


class Server(TechRenaissanceServer):
    def on_start(self):
        raise OSError("the model file is missing")

    def main_logic(self, command, parameters):
        return False


Server().run()
