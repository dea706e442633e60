"""An `anomaly` module is taught: good pictures as it sees them, methods compared, a threshold, the file it will load."""
