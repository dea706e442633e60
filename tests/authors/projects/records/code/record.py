"""Each worker has its own file, its own connection to the database and its own client of the broker.

They are opened with the first frame: what is open when the project is loaded could not be shared by forks.
"""

import csv
import json
import os
import sqlite3
from pathlib import Path

import paho.mqtt.client as mqtt

_open = {}


def opened(folder):
    if not _open:
        folder = Path(folder)
        folder.mkdir(exist_ok=True)
        _open["file"] = (folder / f"parts-{os.getpid()}.csv").open("a", newline="")
        _open["rows"] = csv.writer(_open["file"])
        base = sqlite3.connect(folder / "parts.db", timeout=30, isolation_level=None)
        base.execute("pragma journal_mode = wal")
        base.execute("create table if not exists parts (part text, level real)")
        _open["base"] = base
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"inspection-{os.getpid()}")
        client.connect("127.0.0.1", int(os.environ["BROKER_PORT"]))
        client.loop_start()
        _open["broker"] = client
    return _open


def main(context):
    own = opened(context["dataFolder"])
    part, level = context["data"], float(context["image"].mean())
    own["rows"].writerow([part, level])
    own["file"].flush()
    own["base"].execute("insert into parts values (?, ?)", (part, level))
    sent = own["broker"].publish("line/3/parts", json.dumps({"part": part, "level": level}), qos=1)
    sent.wait_for_publish(5)
