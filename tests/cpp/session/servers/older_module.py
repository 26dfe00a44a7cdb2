"""A worker on the module of the older bridge: answers as often as it likes, and removes the request after all of them.

Its texts stand between the quotes as they are, and no answer is written before the one before it has been taken.
The older protocol has nothing but polling.
"""

import json
import os
import sys
import time

directory = os.path.join(os.environ["OLDER_WORKSPACE"], "python_session", "tr_session_" + sys.argv[1])
request_file = os.path.join(directory, "request.json")
response_file = os.path.join(directory, "response.json")


def write_response(command, parameters):
    while os.path.exists(response_file):
        time.sleep(0.001)
    with open(response_file + ".tmp", "w") as file:
        file.write(f'{{"cmd": "{command}", "params": "{parameters}"}}')
    os.rename(response_file + ".tmp", response_file)


def send_tensor(source, target):
    with open(os.path.join(directory, source + ".tsr"), "rb") as file:
        data = file.read()
    with open(os.path.join(directory, target + ".tsr"), "wb") as file:
        file.write(data)


with open(os.path.join(directory, "status.txt"), "w") as status:
    status.write("running")
while True:
    try:
        with open(request_file) as file:
            request = json.load(file)
    except FileNotFoundError:
        time.sleep(0.001)
        continue
    command, parameters = request["cmd"], request["params"]
    if command in ("exit", "leave"):
        break
    if command == "times":
        count, text = parameters.split(" ", 1)
        for number in range(int(count)):
            write_response("", text if number == 0 else f"again {number}")
    elif command == "copy":
        send_tensor(parameters, "r")
        write_response("", "r")
    elif command == "copy_unsaid":
        send_tensor(parameters, "result_0")
        write_response("", "done")
    elif command == "path":
        write_response("", 'C:\\Users\\me said "hi"\nand left')
    else:
        write_response("", parameters)
    os.unlink(request_file)
