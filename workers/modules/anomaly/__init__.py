"""The module `anomaly`: says where a picture looks like none of the good ones that it was taught with."""
