"""Instagram messaging, by either login: what an account may send, and what it is told by webhook."""
