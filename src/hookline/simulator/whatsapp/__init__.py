"""WhatsApp's Cloud API: what it takes, what it answers, and what it tells by webhook."""
