"""Before a flow goes on the line: its proof, what the next version says otherwise, reload and rollback."""
