"""python -m hermesc."""

from hermesc.cli import main

main()
