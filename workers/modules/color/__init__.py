"""The module `color`: how much of a region has which colour?"""
