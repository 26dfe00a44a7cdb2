"""The server behind `PythonSession("default")`. This folder holds nothing else, as Python puts it on the path."""

from tech_renaissance.default_server import DefaultServer

if __name__ == "__main__":
    DefaultServer().run()
