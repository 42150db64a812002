"""Facebook Messenger, and the feed of a page: their webhooks."""

from hookline.providers.facebook.webhook import Facebook

provider = Facebook()
