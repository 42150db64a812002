"""The codes with which WhatsApp refuses a value. Source: protocol reference 6.2."""

from hookline.simulator.checking import Check, Json

__all__ = ["CHECK", "Json"]

CHECK = Check(missing=131008, invalid=131009)
