"""The module `ocr`: reads printed lines in given boxes, and judges what they say: texts, patterns, dates."""
