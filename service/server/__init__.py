"""Put together, started, handed over."""
