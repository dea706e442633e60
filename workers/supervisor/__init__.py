"""The server lives and dies: what it starts, who follows it, how it ends."""
