"""The settings that the three platforms share, because their vendor does."""

from hookline.settings import ProviderSetting

SETTINGS = (
    ProviderSetting("META_APP_ID", "Meta app id"),
    ProviderSetting(
        "META_APP_SECRETS",
        "Meta app secrets, comma-separated: all verify, the first one signs",
        secret=True,
        required=True,
        many=True,
        made=True,
    ),
    ProviderSetting(
        "META_VERIFY_TOKEN",
        "the token that the platforms' webhook handshake must bring",
        secret=True,
        required=True,
        made=True,
    ),
)
