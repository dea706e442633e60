"""What decoders get instead of the file: nothing in it that they could stumble over."""
