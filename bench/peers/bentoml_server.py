# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "bentoml==1.4.39",
#   "uvloop==0.23.0",
#   "httptools==0.9.0",
#   "numpy==2.4.6",
#   "onnxruntime==1.32.0",
#   "opencv-python-headless==5.0.0.93",
#   "orjson==3.13.0",
# ]
# ///
"""BentoML: a service with as many workers as asked for, each a uvicorn, which takes uvloop and httptools if installed.

The job is in a mounted ASGI application, BentoML's documented way to own the request: its typed inputs put a raw body
into a file first. Inline, since the thread pool took more CPU a frame. Access log and metrics are off; the time limit
allows for 20 megapixels. 1.4.40 asked for a certifi that could not be installed when this was written.

    python bentoml_server.py PORT WORKERS
"""

import os
import sys

import bentoml
import job
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route


async def analyze(request):
    body, end = bytearray(int(request.headers["content-length"])), 0
    async for piece in request.stream():
        body[end : end + len(piece)] = piece
        end += len(piece)
    if request.query_params.get("response_type") == "annotated_image":
        context, png = job.annotate(body)
        return Response(png, media_type="image/png", headers={"context": context.decode()})
    return Response(job.inspect(body), media_type="application/json")


app = Starlette(routes=[Route(path, analyze, methods=["POST"]) for path in ("/analyze_image", "/analyze_raw_image")])


@bentoml.service(workers=int(os.environ.get("BENCH_WORKERS", "1")), traffic={"timeout": 60},
                 logging={"access": {"enabled": False}}, metrics={"enabled": False})  # fmt: skip
@bentoml.asgi_app(app)
class Inspector:
    pass


if __name__ == "__main__":
    os.environ.update(BENCH_WORKERS=sys.argv[2], BENTOML_DO_NOT_TRACK="True")
    options = ("--host", "127.0.0.1", "--port", sys.argv[1], "--timeout-keep-alive", "75", "--quiet")
    os.execv(sys.executable, (sys.executable, "-m", "bentoml", "serve", "bentoml_server:Inspector", *options))
