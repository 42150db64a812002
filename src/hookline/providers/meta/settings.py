"""The settings that the three platforms share, because their vendor does."""

from hookline.settings import ProviderSetting

SETTINGS = (
    ProviderSetting("META_APP_ID", "Meta app id", made=True),
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
    ProviderSetting("META_GRAPH_VERSION", "version of the platforms' API that is called", default="v25.0"),
    ProviderSetting("META_GRAPH_URL", "Meta's Graph API", default="https://graph.facebook.com", simulated="/graph"),
    ProviderSetting(
        "META_MEDIA_HOSTS",
        "comma-separated hosts from which the platforms' files may be fetched; a URL allows what is below it",
        default="lookaside.fbsbx.com,*.fbsbx.com,*.fbcdn.net,*.cdninstagram.com",
        simulated="/cdn",
    ),
    ProviderSetting(
        "META_DIALOG_URL", "Meta's consent dialogs", default="https://www.facebook.com", simulated="/facebook"
    ),
)
