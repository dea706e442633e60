"""The description of the API: that it says what the server does."""
