"""Found feeds: those of the inbox and at partners' URLs, and the state of each, which changes with its deliveries."""

from collections.abc import Mapping
from dataclasses import dataclass

from catalog.feeds.feed import DEFAULT_OPTIONS, ReadOptions, columns_fingerprint
from catalog.feeds.feed_access import FeedAccess
from catalog.feeds.inbox_entries import inbox_entries
from catalog.feeds.sources import FeedFile, InboxError
from catalog.products.partners import PARTNERS_FILE, PartnerSettings, read_partners
from resources.store import Store


@dataclass(frozen=True, kw_only=True)
class FoundFeeds:
    """All feeds, those in the inbox first, with the settings of each partner."""

    places: list[FeedFile]
    partners: Mapping[str, PartnerSettings] | None  # None: the partners' settings cannot be read
    problems: list[str]

    def state(self, place: FeedFile, former: str) -> str:
        """Return a text that changes with the feed or its partner's settings; empty if its server has no versions."""
        stamp = place.stamp()
        if not stamp:
            return ""
        if self.partners is None:  # then only the feed itself can have changed
            return former if former.rpartition("#")[0] == stamp else f"{stamp}#"
        settings = filter(None, (self.options_of(place).fingerprint, self.types_of(place), self.limits_of(place)))
        return f"{stamp}#{'-'.join(settings)}"

    def options_of(self, place: FeedFile) -> ReadOptions:
        """Return what the partner's settings say about the reading of its feeds."""
        partner = (self.partners or {}).get(place.partner_id)
        return partner.read_options if partner is not None else DEFAULT_OPTIONS

    def types_of(self, place: FeedFile) -> str:
        """Return a text that changes with the categories that the partner's texts are mapped to; empty without any."""
        partner = (self.partners or {}).get(place.partner_id)
        return columns_fingerprint(partner.labeling) if partner is not None else ""

    def limits_of(self, place: FeedFile) -> str:
        """Return a text that changes with the partner's own limits of change; empty where it has none."""
        partner = (self.partners or {}).get(place.partner_id)
        return columns_fingerprint({name: str(each) for name, each in partner.gate.items()}) if partner else ""


def find_feeds(store: Store, access: FeedAccess) -> FoundFeeds:
    """Return all feeds, and a problem for each entry of the inbox that is none, and each URL that is not possible."""
    entries = inbox_entries(store.inbox)
    places = [FeedFile.in_inbox(file) for file in entries.files]
    problems = [f"feed {name} is refused: {reason}" for name, reason in entries.refused.items()]
    try:
        partners = read_partners(store.reference) if (store.reference / PARTNERS_FILE).exists() else []
    except ValueError as error:  # feeds in the inbox are registered without settings
        return FoundFeeds(places=places, partners=None, problems=[*problems, str(error)])
    for partner in partners:
        for url in partner.feeds:
            try:
                places.append(FeedFile.at_url(partner.partner_id, url, access))
            except InboxError as error:
                problems.append(str(error))
    return FoundFeeds(places=places, partners={each.partner_id: each for each in partners}, problems=problems)
