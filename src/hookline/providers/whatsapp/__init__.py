"""WhatsApp Business Platform (Cloud API): its webhooks."""

from hookline.providers.whatsapp.webhook import WhatsApp

provider = WhatsApp()
