# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "litserve==0.2.19",
#   "numpy==2.4.6",
#   "onnxruntime==1.32.0",
#   "opencv-python-headless==5.0.0.93",
#   "orjson==3.13.0",
# ]
# ///
"""LitServe: FastAPI on uvicorn in front, the job in worker processes behind queues.

`fast_queue` (ZeroMQ) is what its documentation advises beyond 100 requests a second, `workers_per_device` what it
advises for CPU work; as many fronts as workers is its default, one was slower; no access log, no limit on size. The
body is taken as it is through a dependency, since LitServe itself expects JSON or a form. One pattern serves both
paths with the same workers.

    python litserve_server.py PORT WORKERS
"""

import signal
import sys
from typing import Annotated

import job
import litserve
from fastapi import Depends, Request, Response


async def received(request: Request):
    return request.query_params.get("response_type"), await request.body()


class Inspector(litserve.LitAPI):
    def setup(self, device):
        pass

    def decode_request(self, request: Annotated[tuple, Depends(received)]):
        return request

    def predict(self, asked):
        response_type, body = asked
        if response_type != "annotated_image":
            return Response(job.inspect(body), media_type="application/json")
        context, png = job.annotate(body)
        return Response(png, media_type="image/png", headers={"context": context.decode()})

    def encode_response(self, output):
        return output


if __name__ == "__main__":
    # LitServe ends its processes on Ctrl+C only
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = litserve.LitServer(Inspector(api_path="/{kind}"), accelerator="cpu", devices=1,
                                workers_per_device=int(sys.argv[2]), fast_queue=True, timeout=60)  # fmt: skip
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False,
               generate_client_file=False)  # fmt: skip
