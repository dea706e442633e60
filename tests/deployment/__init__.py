"""Behind proxies, under systemd."""
