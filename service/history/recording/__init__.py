"""The recorder at its work: what is read is written, a batch at a time, as often as it takes."""
