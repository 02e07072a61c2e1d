"""`python -m pipelines.command_line`: the `huiyin` command for child processes."""

from pipelines.command_line import main

main()
