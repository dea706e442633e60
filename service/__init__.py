"""HTTP in, HTTP out, the command line, the page. Knows Falcon; knows no pixels."""
