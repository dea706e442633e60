"""Threads that end with the frame."""

import time
from concurrent.futures import ThreadPoolExecutor


def ask(number):
    time.sleep(0.05)
    return number * number


def main(context):
    with ThreadPoolExecutor(3) as pool:
        context["squares"] = list(pool.map(ask, [1, 2, 3]))
