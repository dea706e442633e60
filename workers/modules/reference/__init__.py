"""The module `reference`: is the frame like its golden image?"""
