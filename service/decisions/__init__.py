"""What people decided about frames: confirmed, false call, escape, another label; taken back, and never overwritten."""
