"""Ordinary records of the Console, a chunk at a time and column by column.

A row a record costs more than reading it: an object, a tuple and forty values, to be taken apart again for Arrow. Here
each step goes over many records, and what repeats is worked out once for each distinct value. Whatever is not quite
ordinary is left to ``console_json``, which reads it strictly and gives the same row.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from itertools import count
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple, TypeVar

import msgspec
import pyarrow as pa
from msgspec.structs import astuple

from kubedossier.analytics.ingest.blob import BLANK, BlobFacts, read_blob
from kubedossier.analytics.ingest.columns import column, same, spread
from kubedossier.analytics.ingest.identity import identity_json
from kubedossier.analytics.ingest.paths import NOTHING, ApiPath, parse_request_uri, parse_resources
from kubedossier.analytics.ingest.sources.console_json import FORMAT, read_action, vocabulary_flags
from kubedossier.analytics.ingest.sources.console_shape import (
    COLLECTIONS,
    INFOS,
    TECHNIQUES,
    USERS,
    USUAL_EXCESS,
    Audit,
    KnownInfo,
    KnownList,
    KnownUser,
    decode,
    each_key_stood_once,
)
from kubedossier.analytics.ingest.times import parse_times
from kubedossier.analytics.schema import EVENT_SCHEMA
from kubedossier.analytics.store.digests import leaf

_GROUP = 256
"""So many records at a time, whose texts still lie in the processor's cache from one step to the next."""
_DAY_US = 86_400_000_000
_NEVER = ("audit_key", "techniques_derived", "rules_version")
"""Columns that only raw audit logs fill."""
_Value = TypeVar("_Value")
_username, _uid, _groups, _kind = map(attrgetter, ("username", "uid", "groups", "kind"))
_pairs, _decision, _values = map(attrgetter, ("pairs", "decision", "values"))


class Ordinary(NamedTuple):
    """The ordinary records of a chunk.

    Attributes:
        kept: which records they are, by their numbers, ascending; each event once.
        leaves: of each.
        columns: those of ``EVENT_SCHEMA`` that a record gives by itself; all but ``raw`` and those of its receipt.
        repeats: for each record that repeats an event, which of the kept ones it repeats, counted from 0.
    """

    kept: Sequence[int]
    leaves: Sequence[bytes]
    columns: dict[str, pa.Array]
    repeats: dict[int, int]


NONE_ORDINARY = Ordinary((), (), {}, {})


class _Values(NamedTuple):
    """The fields that differ from record to record, a column each, with None for what is absent or empty."""

    time: Sequence[str | None]
    verb: Sequence[str | None]
    message: Sequence[str | None]
    source_ips: Sequence[list[str] | None]
    resources: Sequence[str | None]
    request_uri: Sequence[str | None]
    cluster: Sequence[str | None]
    account: Sequence[str | None]
    provider: Sequence[str | None]
    event_blob: Sequence[str | None]


class _Known(NamedTuple):
    """The fields that repeat from record to record, a column each of what was read of them once."""

    users: Sequence[KnownUser]
    infos: Sequence[KnownInfo]
    techniques: Sequence[KnownList]
    collections: Sequence[KnownList]


class _Read:
    """Ordinary records, a list for each thing about them; without the original events, which are the most of them."""

    def __init__(self) -> None:
        self.kept: list[int] = []
        self.leaves: list[bytes] = []
        self.places: dict[bytes, int] = {}
        self.repeats: dict[int, int] = {}
        self.paths: list[ApiPath] = []
        self.facts: list[BlobFacts] = []
        self.values = _Values([], [], [], [], [], [], [], [], [], ())
        self.known = _Known([], [], [], [])

    def add(self, first: int, raws: Sequence[bytes]) -> None:
        """Read the ordinary ones of some records, whose numbers begin with ``first``."""
        kept, audits = _decode(raws)
        if not kept:
            return
        some = raws if len(kept) == len(raws) else [raws[number] for number in kept]
        values, known = _fields(audits)
        identities = _identities(values, known)
        event_ids = [sha256(one).digest() for one in identities]
        refused = _refused(some, audits, identities, known)
        if refused or len(set(event_ids)) < len(event_ids) or not self.places.keys().isdisjoint(event_ids):
            fresh = self._fresh(first, kept, event_ids, refused)
            if not fresh:
                return
            kept, event_ids, some = _picked(fresh, kept), _picked(fresh, event_ids), _picked(fresh, some)
            values = _Values._make(_picked(fresh, one) for one in values)
            known = _Known._make(_picked(fresh, one) for one in known)
        self.places.update(zip(event_ids, count(len(self.kept)), strict=False))
        paths = [
            path if (path := parse_resources(resources)) is not NOTHING else parse_request_uri(uri)
            for resources, uri in zip(values.resources, values.request_uri, strict=True)
        ]
        self.facts += [
            read_blob(blob, with_path=path is NOTHING) if blob else BLANK
            for blob, path in zip(values.event_blob, paths, strict=True)
        ]
        self.paths += paths
        self.kept += [first + number for number in kept]
        self.leaves += map(leaf, some)
        lists: tuple[Any, ...] = self.values[:-1] + self.known
        for one, more in zip(lists, values[:-1] + known, strict=True):
            one.extend(more)

    def _fresh(self, first: int, kept: Sequence[int], event_ids: Sequence[bytes], refused: set[int]) -> list[int]:
        """Where in ``kept`` new events stand; of the others, which are not refused, whose repeats they are is noted."""
        fresh: list[int] = []
        new: dict[bytes, int] = {}
        for at, (number, event_id) in enumerate(zip(kept, event_ids, strict=True)):
            if at in refused:
                continue
            place = self.places.get(event_id, new.get(event_id))
            if place is None:
                new[event_id] = len(self.kept) + len(fresh)
                fresh.append(at)
            else:
                self.repeats[first + number] = place
        return fresh


def read_columns(raws: Sequence[bytes]) -> Ordinary:
    """Read the ordinary ones of some records; the others are for the strict reader."""
    read = _Read()
    for first in range(0, len(raws), _GROUP):
        read.add(first, raws[first : first + _GROUP])
    return Ordinary(read.kept, read.leaves, _columns(read), read.repeats) if read.kept else NONE_ORDINARY


def _picked(places: Sequence[int], of: Sequence[_Value]) -> list[_Value]:
    return list(itemgetter(*places)(of)) if len(places) > 1 else [of[place] for place in places]


def _decode(raws: Sequence[bytes]) -> tuple[list[int], list[Audit]]:
    """The records that the typed decoder takes, and which ones they are."""
    kept, audits = [], []
    for number, raw in enumerate(raws):
        try:
            audits.append(decode(raw))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
        kept.append(number)
    return kept, audits


def _fields(audits: list[Audit]) -> tuple[_Values, _Known]:
    (
        times, verbs, users, infos, messages, ips, resources, uris, techniques, clusters, accounts, providers,
        collections, blobs,
    ) = zip(*map(astuple, audits), strict=True)  # fmt: skip
    values = (times, verbs, messages, ips, resources, uris, clusters, accounts, providers, blobs)
    return _Values(*(one if all(one) else [text or None for text in one] for one in values)), _Known(
        list(map(USERS.__getitem__, map(bytes, users))),
        list(map(INFOS.__getitem__, map(bytes, infos))),
        list(map(TECHNIQUES.__getitem__, map(bytes, techniques))),
        list(map(COLLECTIONS.__getitem__, map(bytes, collections))),
    )


def _identities(values: _Values, known: _Known) -> list[bytes]:
    """The canonical JSON that each identity is the SHA-256 of."""
    users, infos, techniques = ([one.identity for one in column] for column in known[:3])
    columns = (
        values.time, values.verb, users, infos, values.message, values.source_ips, values.resources,
        values.request_uri, techniques, values.cluster, values.account, values.provider, values.event_blob,
    )  # fmt: skip
    return list(map(identity_json, zip(*columns, strict=True)))


def _refused(raws: Sequence[bytes], audits: list[Audit], identities: list[bytes], known: _Known) -> set[int]:
    """Which records have a key that may have stood twice, or a value that is not of its type."""
    excess = [
        len(raw) - len(identity) - user.surplus - info.surplus - techniques.surplus - collections.surplus
        for raw, identity, user, info, techniques, collections in zip(raws, identities, *known, strict=True)
    ]
    if excess.count(USUAL_EXCESS) == len(excess):
        return set()
    return {
        number
        for number, one in enumerate(excess)
        if one != USUAL_EXCESS and not each_key_stood_once(raws[number], audits[number], one)
    }


def _columns(read: _Read) -> dict[str, pa.Array]:
    values, known, paths = read.values, read.known, read.paths
    micros, time_flags = parse_times(values.time)
    codes, impersonated, agents, audit_ids, stages, levels, bodies, blob_paths, blob_flags = zip(
        *read.facts, strict=True
    )
    if NOTHING in paths:
        paths = [found if path is NOTHING else path for path, found in zip(paths, blob_paths, strict=True)]
    groups, versions, namespaces, resources, names, subresources = zip(*paths, strict=True)
    plain: dict[str, Sequence[Any]] = {
        "time": micros,
        "date": [None if one is None else one // _DAY_US for one in micros],
        "message": values.message,
        "source_ips": values.source_ips,
        "resources": values.resources,
        "request_uri": values.request_uri,
        "cluster": values.cluster,
        "account": values.account,
        "provider": values.provider,
        "api_group": groups,
        "api_version": versions,
        "resource": resources,
        "subresource": subresources,
        "namespace": namespaces,
        "name": names,
        "status_code": codes,
        "impersonated_user": impersonated,
        "user_agent": agents,
        "audit_id": audit_ids,
        "stage": stages,
        "level": levels,
        "body_present": bodies,
        "event_id": list(read.places),
    }
    return {
        **{name: column(name, one) for name, one in plain.items()},
        **spread(values.verb, verb=_itself, action=read_action),
        **spread(known.users, user=_username, uid=_uid, groups=_groups, user_kind=_kind),
        **spread(known.infos, authorization=_pairs, decision=_decision),
        **spread(known.techniques, techniques_native=_values),
        **spread(known.collections, collections=_values),
        "flags": _flags(values, known, time_flags, blob_flags),
        **{name: pa.nulls(len(read.kept), EVENT_SCHEMA.field(name).type) for name in _NEVER},
        "source_format": same(FORMAT, len(read.kept), "source_format"),
    }


def _flags(
    values: _Values, known: _Known, time_flags: Sequence[tuple[str, ...]], blob_flags: Sequence[tuple[str, ...]]
) -> pa.Array:
    named = [one.values for one in known.techniques]
    of_vocabulary = list(map(vocabulary_flags, named, values.provider))
    if not any(time_flags) and not any(blob_flags) and not any(of_vocabulary):
        return pa.nulls(len(named), EVENT_SCHEMA.field("flags").type)
    together = [(*a, *b, *c) or None for a, b, c in zip(time_flags, of_vocabulary, blob_flags, strict=True)]
    return column("flags", together)


def _itself(text: str | None) -> str | None:
    return text
