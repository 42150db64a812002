"""The permissions that exist, and what the dialogs say about them. Source: protocol reference 5.1.1, 5.2.1, 2."""

FACEBOOK_SCOPES = {
    "public_profile": "receive your name and profile picture",
    "email": "receive your email address",
    "business_management": "manage your business",
    "pages_show_list": "show a list of the Pages you manage",
    "pages_messaging": "manage and access Page conversations in Messenger",
    "pages_manage_metadata": "manage accounts, settings and webhooks for a Page",
    "pages_read_engagement": "read content posted on the Page",
    "pages_read_user_content": "read user content on your Page",
    "pages_manage_engagement": "create and manage comments on your Page",
    "pages_utility_messaging": "send utility messages for your Page",
    "instagram_basic": "access profile and posts of the Instagram account connected to your Page",
    "instagram_manage_messages": "manage and access conversations for the Instagram account connected to your Page",
    "instagram_manage_comments": "manage comments for the Instagram account connected to your Page",
    "whatsapp_business_management": "manage your WhatsApp accounts",
    "whatsapp_business_messaging": "manage and access conversations in your WhatsApp account",
}

INSTAGRAM_SCOPES = {
    "instagram_business_basic": "view your profile and media",
    "instagram_business_manage_messages": "access and manage your messages",
    "instagram_business_manage_comments": "access and manage comments",
    "instagram_business_content_publish": "publish content",
    "instagram_business_manage_insights": "view your insights",
}
