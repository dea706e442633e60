"""What operators set while a project runs: kept, shared by all fronts, put to each frame."""
