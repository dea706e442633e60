"""The world around a server stays outside."""
