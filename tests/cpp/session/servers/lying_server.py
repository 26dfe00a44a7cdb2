"""Says hello in the words of $LIE, and nothing else. `$epoch` stands for that of the session."""

import json
import os
import signal

DIRECTORY = os.environ["TR_SESSION_DIR"]
LIE = os.environ["LIE"]

with open(f"{DIRECTORY}/session.json", encoding="utf-8") as file:
    EPOCH = json.load(file)["epoch"]
if LIE.startswith("link "):
    os.symlink(LIE.split()[1], f"{DIRECTORY}/hello.json")
elif LIE == "fifo":
    os.mkfifo(f"{DIRECTORY}/hello.json")
elif LIE == "directory":
    os.mkdir(f"{DIRECTORY}/hello.json")
else:
    with open(f"{DIRECTORY}/hello.json", "wb") as file:
        if LIE == "huge":
            file.truncate(1 << 30)
        elif LIE == "deep":
            file.write(b'{"protocol":1,"x":' + b"[" * 500_000)
        else:
            file.write(LIE.replace("$epoch", str(EPOCH)).encode())
with open(f"{DIRECTORY}/.tmp-status", "w", encoding="utf-8") as file:
    file.write("ready")
os.rename(f"{DIRECTORY}/.tmp-status", f"{DIRECTORY}/status.txt")
signal.pause()
