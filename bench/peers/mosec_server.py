# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "mosec==0.9.8",
#   "numpy==2.4.6",
#   "onnxruntime==1.32.0",
#   "opencv-python-headless==5.0.0.93",
#   "orjson==3.13.0",
# ]
# ///
"""mosec: HTTP in Rust, the job in worker processes behind Unix sockets.

Bytes in and bytes out, so that nothing is parsed or pickled on the way; no batching, which can only delay a frame
when each is inspected alone; both paths share the workers; the limits on size and time allow for 20 megapixels.

    python mosec_server.py PORT WORKERS
"""

import os
import sys

import job
from mosec import Server, Worker


class Inspector(Worker):
    def deserialize(self, data):
        return data

    def forward(self, data):
        return job.inspect(data)

    def serialize(self, data):
        return data


if __name__ == "__main__":
    settings = {"ADDRESS": "127.0.0.1", "PORT": sys.argv[1], "MAX_REQUEST_SIZE": str(1 << 27), "TIMEOUT": "60000",
                "LOG_LEVEL": "warning"}  # fmt: skip
    os.environ.update({f"MOSEC_{name}": value for name, value in settings.items()})
    server = Server()
    server.append_worker(Inspector, num=int(sys.argv[2]), route=["/analyze_image", "/analyze_raw_image"])
    server.run()
