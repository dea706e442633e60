"""The programs beside the fronts: how each is started, and those whose pieces stand in several rooms."""
