"""The method `neighbours` of `anomaly`: how far the features of each place are from those of good pictures."""
