"""The module `measure`: edges, lines, circles, and the distances and angles between them, in px or mm."""
