"""Definition files: read, checked and compiled on first use, and exported to platforms as a catalogue."""
