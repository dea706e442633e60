"""The mean profile across the gap; its edges where it crosses half of its height, between pixels."""

import numpy as np


def main(context, form):
    profile = context["image"].mean(axis=0)
    half = (profile.max() + profile.min()) / 2
    dark = profile < half
    if not dark.any() or dark[0] or dark[-1]:
        raise ValueError("there is no gap between two edges in this picture")
    first, last = np.flatnonzero(dark)[[0, -1]]
    left = first - 1 + (profile[first - 1] - half) / (profile[first - 1] - profile[first])
    right = last + (half - profile[last]) / (profile[last + 1] - profile[last])
    gap_mm = float(right - left) * form["mm_per_px"]
    context["gapMm"] = round(gap_mm, 4)
    context["result"] = form["least_mm"] <= gap_mm <= form["most_mm"]
