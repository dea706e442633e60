"""The module `sharpness`: is the camera still in focus?"""
