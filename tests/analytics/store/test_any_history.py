"""Whatever way the same records come in, and whatever is done in between, the archive holds the same events."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.recheck import recheck_events
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.store.compact import compact
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.analytics.store.rejects import read_rejects
from kubedossier.analytics.store.retention import collect_garbage
from kubedossier.analytics.store.verify import verify

MONTHS = ("2026-09", "2026-10", "2026-11")
EVENTS = {
    f'{{"time":"{MONTHS[n % 3]}-{n % 9 + 1:02d}T0{n % 5}:00:00Z","verb":"get","message":"{n}"}}': MONTHS[n % 3]
    for n in range(24)
} | {f'{{"verb":"list","message":"undated {n}"}}': "undated" for n in range(3)}
BROKEN = ('{"verb":"ge', "[]", '{"err":"none"}')
RECORDS = (*EVENTS, *BROKEN)

some = st.lists(st.integers(0, len(RECORDS) - 1), max_size=25)
closed = st.sampled_from([datetime(2026, 11, 4, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)])
histories = st.lists(st.tuples(st.just("import"), some) | st.tuples(st.just("compact"), closed) | st.just(("gc", None)))


def take(root, numbers):
    """One import; each record comes from a source of its own, so that a reject that comes again is the same one."""
    with Intake(root, kind="import") as intake:
        intake.add([Record(RECORDS[n].encode(), source=f"file {n}") for n in numbers])
        return intake.commit({})


def digest_of(raws):
    """What the format says, by hashlib alone."""
    leaves = sorted(hashlib.sha256(raw.encode()).hexdigest() for raw in raws)
    return hashlib.sha256("".join(f"{one}\n" for one in leaves).encode()).hexdigest()


def held(root):
    """Digest of the events by month, as the views show them."""
    months = defaultdict(list)
    for month, raw in zip(
        *Archive(root).select("select month, raw from records", {}).to_pydict().values(), strict=True
    ):
        months[month].append(raw)
    return {month: (len(raws), digest_of(raws)) for month, raws in months.items()}


EXPECTED = {
    month: (len(raws), digest_of(raws))
    for month in (*MONTHS, "undated")
    if (raws := [raw for raw, own in EVENTS.items() if own == month])
}


@settings(max_examples=20)
@given(histories, st.permutations(range(len(RECORDS))))
def test_any_split_order_overlap_and_compaction_gives_the_same_events_and_digests(tmp_path_factory, history, last):
    root = tmp_path_factory.mktemp("history") / "dossier"
    received = Counter()
    for what, argument in (*history, ("import", last)):
        if what == "import":
            receipt = take(root, argument)
            assert receipt.received == len(argument) == receipt.new + receipt.duplicate + receipt.rejected
            received.update(new=receipt.new, rejected=receipt.rejected)
        elif (root / "ledger").is_dir():
            list(compact(root, argument)) if what == "compact" else collect_garbage(root)
    assert held(root) == EXPECTED
    ledger = Ledger.read(root)
    added = Counter()
    for entry in ledger.entries:
        added.update({month: fact["n"] for month, fact in entry.get("added", {}).items()})
    assert added == {month: n for month, (n, _) in EXPECTED.items()}
    kept = [one.raw.decode() for file in ledger.live("rejects") for one in read_rejects(root, file)]
    assert set(kept) == set(BROKEN)
    assert (received["new"], received["rejected"]) == (len(EVENTS), len(kept))
    assert not verify(root, level="deep", recheck=recheck_events).findings
