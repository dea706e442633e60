"""The part desk: the process that joins the views of parts, and what it leaves to the next one."""
