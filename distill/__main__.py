"""`python -m distill`: the same as the `distill` command."""

from distill.cli.app import main

if __name__ == "__main__":
    main()
