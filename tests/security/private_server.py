"""Gives its input back, and a log line; texts without NumPy."""

from tech_renaissance import TechRenaissanceServer


class Server(TechRenaissanceServer):
    def main_logic(self, command: str, parameters: str) -> bool:
        print("at work")
        if command == "say":
            self.write_response(command, parameters)
            return True
        self.send_tensors(self.get_tensors(parameters) * 1)
        return True


Server(framework="numpy").run()
