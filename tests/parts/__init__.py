"""Parts of several views: never OK unless all of them are."""
