"""What tests of parts share: a server with them, clients, and part desks without a server."""
