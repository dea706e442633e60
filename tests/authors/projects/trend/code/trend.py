"""State between frames, in a global."""

from collections import deque

before = deque()


def main(context, form):
    level = float(context["image"].mean())
    usual = sum(before) / len(before) if before else level
    before.append(level)
    while len(before) > form["keep"]:
        before.popleft()
    context["usual"] = usual
    context["result"] = level >= usual * (1 - form["drop_percent"] / 100)
