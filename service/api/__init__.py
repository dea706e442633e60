"""For machines: health, status, metrics, the switch."""
