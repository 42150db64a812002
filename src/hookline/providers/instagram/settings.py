"""Instagram's own settings. An app that uses Instagram Login has an id and secrets apart from the vendor's."""

from hookline.settings import ProviderSetting

SETTINGS = (
    ProviderSetting("INSTAGRAM_APP_ID", "Instagram app id, if Instagram Login is used"),
    ProviderSetting(
        "INSTAGRAM_APP_SECRETS",
        "Instagram app secrets, comma-separated: all verify, the first one signs",
        secret=True,
        many=True,
    ),
)
