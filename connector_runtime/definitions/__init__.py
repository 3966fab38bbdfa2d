"""Definition files: reads, checks and compiles them on first use, and exports them to platforms as a catalogue."""
