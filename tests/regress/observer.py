"""What a statement really did, seen from outside of its session and, where that cannot tell, inside.

Nothing here asks the judgement. Almost whatever changes a row of a table or of a catalog needs a
transaction id, and a second connection sees the counter move; in a transaction that has its id
already, the session's own counters of changed rows tell. What needs none is looked at one by one:
sequences, settings, locks, files, slots, the write-ahead log.
"""

import os
import re

import psycopg

import wire

OUTSIDE = """
SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text,
 (SELECT a.backend_xid::text FROM pg_catalog.pg_stat_activity a WHERE a.pid = %(pid)s),
 pg_catalog.pg_current_wal_insert_lsn()::text,
 (SELECT pg_catalog.string_agg(l, ' ' ORDER BY l) FROM (SELECT DISTINCT pg_catalog.concat_ws('/',
   locktype, mode, database, relation, classid, objid, objsubid) AS l FROM pg_catalog.pg_locks
   WHERE pid = %(pid)s AND mode NOT IN ('AccessShareLock', 'SIReadLock')
   AND locktype NOT IN ('virtualxid', 'transactionid')
   AND NOT (locktype = 'object' AND classid = 2615 AND EXISTS (SELECT FROM pg_catalog.pg_namespace n
     WHERE n.oid = objid AND n.nspname LIKE 'pg\\_temp\\_%%'))) x),
 (SELECT pg_catalog.count(*)::text || coalesce(pg_catalog.string_agg(s.slot_name || s.restart_lsn::text, ' '
   ORDER BY 1), '') FROM pg_catalog.pg_replication_slots s),
 (SELECT pg_catalog.string_agg(gid, ' ' ORDER BY gid) FROM pg_catalog.pg_prepared_xacts),
 pg_catalog.pg_conf_load_time()::text,
 (SELECT pg_catalog.max(stats_reset)::text FROM pg_catalog.pg_stat_database)
"""
OUTSIDE_NAMES = ("next xid", "session's xid", "WAL", "locks", "replication slots",
                 "prepared transactions", "configuration loaded", "statistics reset")
SEQUENCES = """
SELECT pg_catalog.string_agg(s.seqrelid::text || '=' ||
 coalesce(pg_catalog.pg_sequence_last_value(s.seqrelid)::text, ''), ' ' ORDER BY s.seqrelid)
FROM pg_catalog.pg_sequence s
"""
COUNTERS = """
SELECT coalesce(sum(n_tup_ins), 0), coalesce(sum(n_tup_upd), 0), coalesce(sum(n_tup_del), 0)
FROM pg_catalog.pg_stat_xact_all_tables
"""
SETTINGS = "SHOW ALL; SHOW role; SHOW session_authorization"

# Records that reading alone may write: pruning of dead rows, hints under checksums; and those of
# the background.
HARMLESS_WAL = re.compile(r"Heap2/(PRUNE|VISIBLE|VACUUM)|XLOG/(FPI|CHECKPOINT|NEXTOID)|Standby/RUNNING|"
                          r"Standby/LOCK|Btree/(DELETE|VACUUM|REUSE)|Transaction/INVALIDATION")


class Session:
    """Asks the server on the connection of the statement itself, between two statements."""

    def __init__(self, server, client):
        self.server, self.client = server, client
        self.pid, self.state = None, "I"

    def rows(self, sql):
        """None where it failed. What comes in between is the client's."""
        self.server.send(wire.query(sql))
        rows, failed = [], False
        while True:
            kind, message = self.server.message()
            if kind == wire.ROW:
                rows.append(wire.texts(message))
            elif kind == wire.ERROR:
                failed = True
            elif kind in (wire.NOTIFICATION, wire.STATUS):
                self.client.send(message)
            elif kind == wire.READY:
                self.state = chr(message[5])
                return None if failed else rows


class Observer:
    """Takes pictures of a server; the difference of two is what happened in between."""

    def __init__(self, conninfo, folders):
        self.monitor = psycopg.connect(conninfo, autocommit=True, prepare_threshold=2,
                                       application_name="regress/observer")
        self.monitor.execute("SET lock_timeout = '50ms'")
        self.folders = folders
        self.walinspect = self._has_walinspect()

    def _has_walinspect(self):
        try:
            self.monitor.execute("CREATE EXTENSION IF NOT EXISTS pg_walinspect")
            return True
        except psycopg.Error:
            return False

    def _sequences(self):
        try:
            return [[self.monitor.execute(SEQUENCES).fetchone()[0]]]
        except psycopg.Error:  # somebody holds a lock on one: the session itself
            return None

    def _files(self):
        out = {}
        for folder in self.folders:
            for entry in os.scandir(folder):
                stat = entry.stat(follow_symlinks=False)
                if entry.is_file(follow_symlinks=False):
                    out[entry.path] = (stat.st_size, stat.st_mtime_ns)
        return out

    def picture(self, session):
        row = self.monitor.execute(OUTSIDE, {"pid": session.pid}).fetchone()
        out = dict(zip(OUTSIDE_NAMES, row))
        out["files"] = self._files()
        out["state"] = session.state
        out["settings"] = out["rows"] = None
        if session.state != "E":
            out["settings"] = settings_of(session)
        writing = out["session's xid"] is not None and session.state == "T"
        if writing:
            out["rows"] = session.rows(COUNTERS)
        # Only the session sees temporary ones; but in a transaction asking it takes locks.
        out["sequences"] = (session.rows(SEQUENCES) if session.state == "I"
                            else self._sequences())
        return out

    def wal_between(self, begin, end):
        """Records of a stretch that reading does not explain; [] also where nobody can tell."""
        if not self.walinspect:
            return []
        try:
            found = self.monitor.execute(
                "SELECT DISTINCT resource_manager || '/' || record_type FROM"
                " pg_get_wal_records_info(%s, %s)", (begin, end)).fetchall()
        except psycopg.Error:
            return []
        return sorted(r for (r,) in found if not HARMLESS_WAL.search(r))


def settings_of(session):
    rows = session.rows(SETTINGS)
    if rows is None or len(rows) < 3:
        return None
    out = {row[0]: row[1] for row in rows[:-2] if len(row) == 3}
    out["role"], out["session_authorization"] = rows[-2][0], rows[-1][0]
    return out


def changed_settings(before, after):
    """{name: new value} but for the transaction's own, which end with it."""
    a, b = before["settings"], after["settings"]
    if a is None or b is None:
        return {}
    return {name: b.get(name) for name in sorted(set(a) | set(b))
            if a.get(name) != b.get(name) and not name.startswith("transaction_")}


def changes(before, after, failed):
    """What changed, as words; settings are told apart (changed_settings)."""
    found = []
    was, now = before["session's xid"], after["session's xid"]
    # What failed was rolled back: an id that it took is of no account.
    if not failed:
        if was is None and now is not None:
            found.append("took a transaction id")
        elif was is not None and now == was and before["rows"] is not None:
            if after["rows"] is not None and before["rows"] != after["rows"]:
                found.append("changed rows")
        elif was is None and now is None and before["next xid"] != after["next xid"]:
            found.append("committed a transaction id")
    for name in ("replication slots", "prepared transactions", "configuration loaded",
                 "statistics reset"):
        if before[name] != after[name]:
            found.append(name)
    if before["state"] == after["state"] and None not in (before["sequences"], after["sequences"]):
        if before["sequences"] != after["sequences"]:
            found.append("sequences")
    more = set((after["locks"] or "").split(" ")) - set((before["locks"] or "").split(" "))
    if more - {""} and not failed:
        found.append("locks: " + ", ".join(sorted(more)))
    files = {p for p in set(before["files"]) | set(after["files"])
             if before["files"].get(p) != after["files"].get(p)}
    if files:
        found.append("files: " + ", ".join(sorted(os.path.basename(p) for p in files)))
    return found
