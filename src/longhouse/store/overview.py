"""What needs somebody: the failures and the missed due times of late, each read from an index of its own."""

from __future__ import annotations

from longhouse.store.database import Connection, Row, many

FAILURES = """
SELECT job_id, count(*) AS count, max(id) AS run_id, max(finished_at) AS at
  FROM (SELECT id, job_id, finished_at FROM runs INDEXED BY runs_failed
         WHERE state = 'failed' AND finished_at > :since ORDER BY finished_at DESC LIMIT :most)
 GROUP BY job_id ORDER BY at DESC, run_id DESC
"""
MISSED = """
SELECT job_id, "end", sum(count) AS count, min(due) AS first, max(last_due) AS last, max(recorded_at) AS recorded_at
  FROM (SELECT job_id, "end", count, due, last_due, recorded_at FROM firings INDEXED BY firings_missed
         WHERE "end" IN ('missed_down', 'missed_late', 'missed_full', 'held_clock', 'skipped_overlap',
                         'blocked_approval', 'blocked_budget')
           AND last_due > :since ORDER BY last_due DESC LIMIT :most)
 GROUP BY job_id, "end" ORDER BY last DESC, job_id
"""


def failures(db: Connection, since: int, most: int) -> list[Row]:
    """Per job with runs that have failed after `since`, newest first: job_id, count, the newest run_id and when it
    ended. Of the newest `most` failures."""
    return many(db, FAILURES, {"since": since, "most": most})


def missed(db: Connection, since: int, most: int) -> list[Row]:
    """Per job and way in which due times after `since` started no run: job_id, end, count, first, last, and when the
    newest entry was made. Of the newest `most` entries; what somebody has switched off or paused is not among them."""
    return many(db, MISSED, {"since": since, "most": most})
