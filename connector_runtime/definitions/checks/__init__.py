"""The checks of definitions: functions `check(file, rows, refs)`, listed by kind of file in `check.CHECKS`."""
