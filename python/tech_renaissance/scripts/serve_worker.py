"""A worker of `python -m tech_renaissance serve`: imports a class by its name, and serves it.

Arguments: the class, as "path/server.py:Class" or "package.module:Class", and a JSON object with those settings that
are the server's own. This folder holds nothing else than scripts, as Python puts it on the path.
"""

from __future__ import annotations

import json
import os
import sys

from tech_renaissance import TechRenaissanceServer
from tech_renaissance.endpoints.find_class import class_named
from tech_renaissance.services.depends import VARIABLE, require_host
from tech_renaissance.worker.call import Call
from tech_renaissance.worker.endpoints import PlainServer
from tech_renaissance.worker.tally import tally_of_environment


def main() -> None:
    """Serves until told to leave."""
    target, settings = sys.argv[1:]
    sys.argv = [target.rpartition(":")[0]]
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.getcwd()  # in place of this folder
    Call.tally = tally_of_environment()
    if os.environ.get(VARIABLE):
        require_host(target)  # now, and not in the middle of a call
    made = class_named(target)()
    server = made if isinstance(made, TechRenaissanceServer) else PlainServer(made)
    for name, value in json.loads(settings).items():  # in place of what a decorator or an attribute says
        setattr(server, name, value)
    server.run()


if __name__ == "__main__":
    main()
