"""The fake platforms: WhatsApp, Instagram and Messenger on this machine, faithful enough to develop against.

Written from the protocol reference alone. It imports nothing of `hookline.providers`, so that a misreading on either
side shows as a disagreement.
"""
