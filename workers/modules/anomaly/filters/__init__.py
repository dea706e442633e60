"""The method `filters` of `anomaly`: a bank of filters and a small classifier, taught with drawn defects."""
