"""The platforms, each a folder. This list and `IntegrationProvider` are all that a further one adds to."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hookline.domain.account import IntegrationProvider
from hookline.providers import facebook, instagram, whatsapp
from hookline.providers.base import Provider
from hookline.providers.facebook.settings import SETTINGS as FACEBOOK_SETTINGS
from hookline.providers.instagram.settings import SETTINGS as INSTAGRAM_SETTINGS
from hookline.providers.meta.settings import SETTINGS as META_SETTINGS
from hookline.providers.whatsapp.settings import SETTINGS as WHATSAPP_SETTINGS
from hookline.settings import ProviderSetting

PROVIDERS: Final[Mapping[IntegrationProvider, Provider]] = MappingProxyType(
    {provider.name: provider for provider in (whatsapp.provider, instagram.provider, facebook.provider)}
)
SETTINGS: Final[tuple[ProviderSetting, ...]] = (
    *META_SETTINGS,
    *WHATSAPP_SETTINGS,
    *INSTAGRAM_SETTINGS,
    *FACEBOOK_SETTINGS,
)
