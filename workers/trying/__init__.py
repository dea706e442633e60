"""A project tried without a server: frames through what its workers run, in processes of their own."""
