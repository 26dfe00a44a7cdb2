"""A worker of the older kind: knows its workspace by itself, polls, writes no hello and speaks `cmd` and `params`."""

import json
import os
import sys
import time

directory = os.path.join(os.environ["OLDER_WORKSPACE"], "python_session", "tr_session_" + sys.argv[1])


def publish(name, text):
    path = os.path.join(directory, name)
    with open(path + ".new", "w") as file:
        file.write(text)
    os.rename(path + ".new", path)


publish("status.txt", "ready")
while True:
    try:
        with open(os.path.join(directory, "request.json")) as file:
            request = json.load(file)
    except FileNotFoundError:
        time.sleep(0.032)  # the older protocol has nothing but polling
        continue
    publish("status.txt", "busy")
    if request["cmd"] == "copy":
        with open(os.path.join(directory, request["params"] + ".tsr"), "rb") as source:
            data = source.read()
        with open(os.path.join(directory, "result_0.tsr"), "wb") as target:
            target.write(data)
        answer = "result_0"
    else:
        answer = request["cmd"] + " got " + request["params"]
    publish("response.json", json.dumps({"cmd": request["cmd"], "params": answer}))
    os.unlink(os.path.join(directory, "request.json"))
    publish("status.txt", "ok")
