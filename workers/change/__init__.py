"""One version follows another: read, proved, taken over or refused, and taken back."""
