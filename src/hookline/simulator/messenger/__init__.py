"""Messenger: what a page may send, and what it is told by webhook."""
