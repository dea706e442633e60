"""The worst days of a server, minutes each."""
