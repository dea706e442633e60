"""Reads the mark (see bench/project) and computes for 3 ms."""

import time

import cv2
import numpy as np


def main(context):
    """Blur the frame's corner until 3 ms of this process's own time are spent."""
    begun_s = time.thread_time()
    image = context["image"]
    context["mark"] = int(np.packbits(image[8, 8:264:16, 1] > 127).view(">u2")[0])
    while time.thread_time() - begun_s < 3e-3:
        cv2.blur(image[:256, :256], (5, 5))
