"""Alerts: where people are told of runs that failed, by a webhook of theirs."""

import json
import urllib.request
from collections.abc import Mapping

import dagster as dg

TIMEOUT_S = 10.0


class Alerts(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Posts JSON to a webhook (Slack's, Teams' or one's own take a `text`); without a URL nobody is told."""

    webhook: str = ""

    def post(self, text: str, facts: Mapping[str, str]) -> None:
        """Tell it.

        Raises:
            ValueError: the webhook is neither http nor https.
            OSError: it did not take the message.
        """
        if not self.webhook.startswith(("http://", "https://")):
            raise ValueError(f"the webhook {self.webhook!r} is no URL; give SHELFSIGHT_WEBHOOK one of http or https")
        body = json.dumps({"text": text, **facts}).encode()
        request = urllib.request.Request(  # noqa: S310 its scheme was looked at
            self.webhook, body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310 as above
            pass
