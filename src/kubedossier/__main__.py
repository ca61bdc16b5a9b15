"""Entry point of ``kubedossier`` and ``python -m kubedossier``.

It holds the only place where an error becomes text and an exit code; see ``cli.diagnostics``.
"""

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from kubedossier.cli import cli
    from kubedossier.cli.diagnostics import run

    sys.exit(run(cli))


if __name__ == "__main__":
    main()
