"""Definition files: read, checked, compiled when first asked for, and shown to platforms as a catalogue."""
