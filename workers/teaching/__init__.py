"""An `anomaly` module is taught: pictures as it sees them, methods compared, a threshold, the file that it loads."""
