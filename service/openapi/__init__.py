"""What the server can be asked for, described as OpenAPI: a table of operations, and the document made of it."""
