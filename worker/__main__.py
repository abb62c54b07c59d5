"""`python -m worker` is `email-worker`."""

from worker.cli import main

main()
