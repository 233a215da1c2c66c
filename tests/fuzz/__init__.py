"""Generated bad input through the public commands; `python -m tests.fuzz` counts what happens.

A case is a copy of files that a real run wrote, some of them damaged, and a command line. It runs
in a fork of a process that has loaded all libraries, so that a crash, a leak or a changed working
directory ends with the case. It is sound if the command ends with exit code 0, 1, 2 or 130 within
the limits of time and memory, writes only inside its folder, prints no traceback, and names the
damaged file where it refuses it.
"""
