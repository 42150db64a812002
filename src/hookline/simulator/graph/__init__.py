"""The accounts side of the Graph API: tokens, people, pages, Instagram accounts, WABAs, numbers, subscriptions."""
