"""What became of each frame: written once by its front, read by followers, each at its own pace."""
