"""One file per module; `project.py` names them."""
