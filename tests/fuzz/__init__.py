"""A fuzzer for encoded images: changed JPEG and PNG files through the gate, the decoders and the HTTP port.

Run it with `python -m tests.fuzz --help`. Each mutant follows from a seed and its number alone: a campaign
can be taken up where it ended, and a finding can be made again.
"""
