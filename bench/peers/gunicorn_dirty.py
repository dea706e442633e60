# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "falcon==4.4.0",
#   "gunicorn==27.0.1",
#   "numpy==2.4.6",
#   "opencv-python-headless==5.0.0.93",
#   "orjson==3.13.0",
# ]
# ///
"""gunicorn's dirty workers (its own pool of processes, since 25.0): Falcon in front, the job behind its arbiter.

As many dirty workers as asked for, one thread each, which is the default and right for CPU work. One front with four
threads, each with its own client, as `get_dirty_client` gives it: two fronts, or two or eight threads, were no faster.
A message may have 64 MiB; 20 megapixels in colour are 57.

    python gunicorn_dirty.py PORT WORKERS
"""

import os
import sys

import falcon
import job
from gunicorn.dirty import DirtyApp, get_dirty_client


class Inspector(DirtyApp):
    def inspect(self, body):
        return job.inspect(body)

    def annotate(self, body):
        return list(job.annotate(body))


class Analyze:
    def on_post(self, req, resp):
        body = req.stream.read(req.content_length)
        if req.get_param("response_type") == "annotated_image":
            context, resp.data = get_dirty_client().execute("gunicorn_dirty:Inspector", "annotate", body)
            resp.content_type = falcon.MEDIA_PNG
            resp.set_header("context", context.decode())
        else:
            resp.data = get_dirty_client().execute("gunicorn_dirty:Inspector", "inspect", body)
            resp.content_type = falcon.MEDIA_JSON


app = falcon.App()
app.add_route("/analyze_image", Analyze())
app.add_route("/analyze_raw_image", Analyze())

if __name__ == "__main__":
    served = (f"--bind=127.0.0.1:{sys.argv[1]}", "--workers=1", f"--dirty-workers={sys.argv[2]}", "gunicorn_dirty:app")
    options = ("--worker-class=gthread", "--threads=4", "--keep-alive=75", "--timeout=60", "--worker-tmp-dir=/dev/shm")
    dirty = ("--no-control-socket", "--dirty-app=gunicorn_dirty:Inspector")
    os.execv(sys.executable, (sys.executable, "-m", "gunicorn", *options, *dirty, *served))
