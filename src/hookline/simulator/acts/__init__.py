"""What people do: write, send a file, tap, react, edit, take back, read; and what a business does in its own app.

Each act changes the world and tells the webhooks that follow from it. The chat page and control are made of these.
"""
