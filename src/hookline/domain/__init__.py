"""The words of the field as pure values: no I/O, no clock, no settings."""
