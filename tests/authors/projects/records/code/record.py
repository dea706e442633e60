"""Each worker has its own file, its own connection to the database and its own client of the broker.

They are opened with the first frame: what is open when the project is loaded could not be shared by forks. Rows are
buffered, and written when the worker ends, whyever that is.
"""

import csv
import json
import os
import sqlite3
from pathlib import Path

import paho.mqtt.client as mqtt

_open = {}


def opened(folder, worker):
    if not _open:
        folder = Path(folder)
        folder.mkdir(exist_ok=True)
        _open["file"] = (folder / f"parts-{worker}.csv").open("a", newline="")
        _open["rows"] = csv.writer(_open["file"])
        base = sqlite3.connect(folder / "parts.db", timeout=30, isolation_level=None)
        base.execute("pragma journal_mode = wal")
        base.execute("create table if not exists parts (part text, level real)")
        _open["base"] = base
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"inspection-{worker}")
        client.connect("127.0.0.1", int(os.environ["BROKER_PORT"]))
        client.loop_start()
        _open["broker"] = client
    return _open


def main(context):
    own = opened(context["dataFolder"], context["worker"])
    part, level = context["data"], float(context["image"].mean())
    own["rows"].writerow([part, level])
    own["base"].execute("insert into parts values (?, ?)", (part, level))
    sent = own["broker"].publish("line/3/parts", json.dumps({"part": part, "level": level}), qos=1)
    sent.wait_for_publish(5)


def stop():
    if _open:
        _open["file"].close()
        _open["base"].close()
        _open["broker"].loop_stop()
        _open["broker"].disconnect()
