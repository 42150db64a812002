"""What an examination of an account came to."""

from datetime import datetime

import msgspec

from hookline.domain.health import Finding, Severity, worst
from hookline.store.accounts import ConnectedAccount


class Report(msgspec.Struct, frozen=True):
    """What was found of an account, and when."""

    account: ConnectedAccount
    checked_at: datetime
    findings: list[Finding]

    @property
    def status(self) -> Severity:
        """The worst of it."""
        return worst(self.findings)
