"""What a first look shows: a catalogue of classics, ninety days of orders, and orders that go on."""
