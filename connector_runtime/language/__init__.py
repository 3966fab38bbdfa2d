"""The building blocks of the definition language, such as places, codecs and conditions. They read no files."""
