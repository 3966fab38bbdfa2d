"""The vocabulary: places, codecs, expressions, conditions, patterns; date-times, JSON text and secrets."""
