"""What operators can set at the lines of tests: tables of a project, each by itself."""

from __future__ import annotations

GAP = """
[[input]]
name = "gap"
kind = "number"
label = "Largest gap"
help = "Measured between both halves, at the hinge."
min = 0.1
max = 2
step = 0.05
unit = "mm"
default = 0.8
"""
LOT = """
[[input]]
name = "lot"
kind = "text"
label = "Lot"
max_length = 40
"""
