"""Control: the simulator's own HTTP API, by which tests and people make the fake platforms do what they need."""
