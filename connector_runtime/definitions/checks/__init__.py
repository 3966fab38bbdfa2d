"""The checks of definitions, each a function `check(own, rows, around)`; `check.CHECKS` lists them by kind of file."""
