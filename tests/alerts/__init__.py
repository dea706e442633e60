"""Alerts: when they are on, whom they tell, and what they hold."""
