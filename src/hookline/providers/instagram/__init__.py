"""Instagram messaging and comments: their webhooks."""

from hookline.providers.instagram.webhook import Instagram

provider = Instagram()
