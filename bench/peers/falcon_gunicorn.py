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
"""Falcon on gunicorn, the job inline in the request: the least that stands between a socket and OpenCV in WSGI.

gthread keeps connections between requests. Two threads each, so that one receives while OpenCV, which gives up the
interpreter lock, works for the other; 1, 4 and 8 were no faster, nor was reading a body in pieces. The heartbeat's
file lies in memory, as gunicorn's FAQ advises.

    python falcon_gunicorn.py PORT WORKERS
"""

import os
import sys

import falcon
import job


class Analyze:
    def on_post(self, req, resp):
        body = req.stream.read(req.content_length)
        if req.get_param("response_type") == "annotated_image":
            context, resp.data = job.annotate(body)
            resp.content_type = falcon.MEDIA_PNG
            resp.set_header("context", context.decode())
        else:
            resp.data = job.inspect(body)
            resp.content_type = falcon.MEDIA_JSON


app = falcon.App()
app.add_route("/analyze_image", Analyze())
app.add_route("/analyze_raw_image", Analyze())

if __name__ == "__main__":
    served = (f"--bind=127.0.0.1:{sys.argv[1]}", f"--workers={sys.argv[2]}", "falcon_gunicorn:app")
    options = ("--worker-class=gthread", "--threads=2", "--keep-alive=75", "--timeout=60", "--worker-tmp-dir=/dev/shm")
    os.execv(sys.executable, (sys.executable, "-m", "gunicorn", *options, "--no-control-socket", *served))
