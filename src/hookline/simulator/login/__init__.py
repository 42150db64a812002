"""The consent dialogs: pages on which a person chooses what to allow, and says yes or no."""
