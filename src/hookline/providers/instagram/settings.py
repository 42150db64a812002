"""Instagram's own settings. An app that uses Instagram Login has an id and secrets apart from the vendor's."""

from hookline.settings import ProviderSetting

SETTINGS = (
    ProviderSetting("INSTAGRAM_APP_ID", "Instagram app id, if Instagram Login is used", made=True),
    ProviderSetting(
        "INSTAGRAM_APP_SECRETS",
        "Instagram app secrets, comma-separated: all verify, the first one signs",
        secret=True,
        many=True,
        made=True,
    ),
    ProviderSetting(
        "INSTAGRAM_CONFIG_ID",
        "configuration of Facebook Login for Business that connects Instagram accounts behind pages, if one is used",
    ),
    ProviderSetting(
        "INSTAGRAM_GRAPH_URL",
        "Instagram's Graph API",
        default="https://graph.instagram.com",
        simulated="/instagram-graph",
    ),
    ProviderSetting(
        "INSTAGRAM_API_URL",
        "where Instagram exchanges codes for tokens",
        default="https://api.instagram.com",
        simulated="/instagram-api",
    ),
    ProviderSetting(
        "INSTAGRAM_DIALOG_URL",
        "Instagram's consent dialog",
        default="https://www.instagram.com",
        simulated="/instagram",
    ),
)
