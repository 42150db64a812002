"""WhatsApp's own settings."""

from hookline.settings import ProviderSetting

SETTINGS = (
    ProviderSetting("WHATSAPP_CONFIG_ID", "configuration of Embedded Signup that connects numbers, if one is used"),
)
