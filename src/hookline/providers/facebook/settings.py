"""Messenger's own settings."""

from hookline.settings import ProviderSetting

SETTINGS = (
    ProviderSetting(
        "FACEBOOK_CONFIG_ID", "configuration of Facebook Login for Business that connects pages, if one is used"
    ),
)
