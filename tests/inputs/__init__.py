"""Tests of what operators set, and of thresholds that are changed at the line."""
