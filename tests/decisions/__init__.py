"""What people decide about frames: who said what, what holds, what becomes of it; nothing is overwritten."""
