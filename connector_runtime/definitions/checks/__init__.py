"""The checks of definitions: functions `check(file, rows, refs)`, which `check.CHECKS` lists by kind of file."""
