"""An answer that leaves only once its record is committed: the way from a front to the recorder and back."""
