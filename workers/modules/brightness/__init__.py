"""The module `brightness`: is the camera still lit, and not too much?"""
