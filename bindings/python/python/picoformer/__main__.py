"""The command ``picoformer``: the same code as the program of that name, with its exit status."""

from __future__ import annotations

import signal
import sys

from . import _native


def main() -> int:
    """Runs the command line; returns its exit status."""
    # Python would only note a Ctrl-C, and the command does not ask; the program ends at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.stdout.flush()
    return int(_native.run(sys.argv))


if __name__ == "__main__":
    sys.exit(main())
