"""The module `ocr`: reads printed text in a box, and compares it with what is expected."""
