"""The environments as a catalogue: pages, JSON-LD and OAI-PMH."""
