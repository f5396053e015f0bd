"""The command `shelfsight`: what people ask of a catalogue from a terminal."""
