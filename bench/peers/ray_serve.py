# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "ray[serve]==2.60.0",
#   "numpy==2.4.6",
#   "opencv-python-headless==5.0.0.93",
#   "orjson==3.13.0",
# ]
# ///
"""Ray Serve: its HTTP proxy in front, one replica per worker.

With the throughput settings of its documentation, which also run the replica's code in its event loop; no access log,
no dashboard. HAProxy in place of its proxy is left out: it listens on all interfaces, whatever host is asked for.

    python ray_serve.py PORT WORKERS
"""

import os
import signal
import sys

os.environ["RAY_SERVE_THROUGHPUT_OPTIMIZED"] = "1"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import job
import ray
from ray import serve
from starlette.responses import Response


@serve.deployment(max_ongoing_requests=64, logging_config={"enable_access_log": False})
class Inspector:
    async def __call__(self, request):
        body = await request.body()
        if request.query_params.get("response_type") == "annotated_image":
            context, png = job.annotate(body)
            return Response(png, media_type="image/png", headers={"context": context.decode()})
        return Response(job.inspect(body), media_type="application/json")


if __name__ == "__main__":
    # a blocking run ends Ray's processes on Ctrl+C only
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    port, workers = int(sys.argv[1]), int(sys.argv[2])
    ray.init(include_dashboard=False, log_to_driver=False, num_cpus=workers + 1)
    serve.start(http_options={"host": "127.0.0.1", "port": port, "keep_alive_timeout_s": 75},
                logging_config={"enable_access_log": False})  # fmt: skip
    serve.run(Inspector.options(num_replicas=workers).bind(), blocking=True)
