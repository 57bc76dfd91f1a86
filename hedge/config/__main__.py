"""`python -m hedge.config --table`: print the table of all keys."""

import sys

from hedge.config.load import markdown_table

if __name__ == "__main__":
    if sys.argv[1:] != ["--table"]:
        sys.exit("usage: python -m hedge.config --table")
    sys.stdout.write(markdown_table())
