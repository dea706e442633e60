"""Projects as customers build them, each served and tried."""
