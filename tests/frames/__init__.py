"""Frames of a history are found a page at a time, whatever is asked for."""
