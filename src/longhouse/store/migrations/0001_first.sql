-- Times are milliseconds since the epoch, UTC. JSON columns hold one document each.

CREATE TABLE settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL -- JSON
) STRICT, WITHOUT ROWID;

-- What the manifest registers, as it was last loaded. A removed job keeps its row: runs refer to it.
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    spec TEXT NOT NULL, -- JSON, zerg._wire.JobDescription
    enabled INTEGER NOT NULL, -- in force: the manifest's value or the override
    cursor INTEGER NOT NULL, -- every due time up to here has its ledger entry
    commit_sha TEXT NOT NULL, -- the commit that `spec` was loaded from
    environment TEXT NOT NULL DEFAULT '', -- key of its Python environment, '' for the base one
    version INTEGER NOT NULL DEFAULT 1,
    added_at INTEGER NOT NULL,
    removed_at INTEGER
) STRICT, WITHOUT ROWID;

-- enable / disable on its way into jobs.toml
CREATE TABLE pending_overrides (
    job_id TEXT PRIMARY KEY,
    enabled INTEGER NOT NULL,
    actor TEXT NOT NULL,
    surface TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who holds what back: job_id '' is the whole instance. Due times inside a pause end as skipped_paused.
CREATE TABLE pauses (
    job_id TEXT PRIMARY KEY,
    since INTEGER NOT NULL,
    until INTEGER, -- the first moment that is no longer paused; NULL: until somebody resumes
    actor TEXT NOT NULL,
    surface TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A range of due times that somebody had run once more; its runs point here.
CREATE TABLE backfills (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL,
    low INTEGER NOT NULL, -- the range that was asked for, both ends included
    high INTEGER NOT NULL,
    first INTEGER NOT NULL, -- the first and the last due time in it
    last INTEGER NOT NULL,
    count INTEGER NOT NULL,
    actor TEXT NOT NULL,
    surface TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    cancelled_at INTEGER
) STRICT;

CREATE INDEX backfills_of_job ON backfills (job_id, id);

CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued',
    reason TEXT,
    message TEXT NOT NULL DEFAULT '',
    trigger TEXT NOT NULL, -- schedule, catch_up, manual, later, backfill, rerun, trial, first_boot
    actor TEXT NOT NULL,
    surface TEXT NOT NULL,
    due INTEGER,
    not_before INTEGER NOT NULL,
    priority INTEGER NOT NULL DEFAULT 0,
    overlap TEXT NOT NULL,
    concurrency_group TEXT,
    concurrency_limit INTEGER NOT NULL DEFAULT 1,
    attempt INTEGER NOT NULL DEFAULT 0, -- of the newest attempt; the fencing number
    tries_used INTEGER NOT NULL DEFAULT 0, -- attempts that count against max_attempts
    max_attempts INTEGER NOT NULL,
    params TEXT NOT NULL DEFAULT '{}', -- JSON
    spec TEXT NOT NULL, -- JSON snapshot of the job's settings; renewed by the first claim unless pinned
    commit_sha TEXT, -- what runs; set by the first claim unless pinned
    environment TEXT NOT NULL DEFAULT '',
    pinned INTEGER NOT NULL DEFAULT 0, -- commit and spec were chosen when the run was made
    debug INTEGER NOT NULL DEFAULT 0, -- whoever started it wants to see more of it
    rerun_of INTEGER,
    backfill_id INTEGER,
    result TEXT, -- JSON
    error TEXT, -- JSON {type, traceback, file, line} of the last attempt that failed
    fingerprint TEXT, -- what runs have in common that failed the same way; see longhouse.runs.fingerprint
    progress TEXT, -- JSON {done, total, text}
    cancel_requested_at INTEGER,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER
) STRICT;

CREATE INDEX runs_waiting ON runs (priority DESC, not_before, id) WHERE state IN ('queued', 'retrying');
CREATE INDEX runs_active_of_job ON runs (job_id, id) WHERE state IN ('queued', 'retrying', 'running');
CREATE INDEX runs_running ON runs (concurrency_group, id) WHERE state = 'running';
CREATE INDEX runs_of_job ON runs (job_id, id);
CREATE INDEX runs_again ON runs (rerun_of) WHERE rerun_of IS NOT NULL;
CREATE INDEX runs_by_state ON runs (state, id);
CREATE INDEX runs_failed ON runs (finished_at, job_id) WHERE state = 'failed';
CREATE INDEX runs_by_start ON runs (state, started_at, finished_at) WHERE started_at IS NOT NULL;
CREATE INDEX runs_never_begun ON runs (finished_at) WHERE state = 'cancelled' AND started_at IS NULL;
CREATE INDEX runs_of_job_by_start ON runs (job_id, started_at, state, finished_at) WHERE started_at IS NOT NULL;
CREATE INDEX runs_long ON runs (finished_at, job_id, state, started_at) WHERE finished_at - started_at > 600000;
CREATE INDEX runs_failed_as ON runs (fingerprint, job_id, finished_at) WHERE fingerprint IS NOT NULL;
CREATE INDEX runs_said ON runs (id, substr(message, 1, 300)) WHERE message <> '';
CREATE INDEX runs_by_reason ON runs (reason, id) WHERE reason <> '';
CREATE INDEX runs_by_trigger ON runs ("trigger", id);
CREATE INDEX runs_of_commit ON runs (commit_sha, id) WHERE commit_sha <> '';
CREATE INDEX runs_in_environment ON runs (environment, id) WHERE environment <> '';
CREATE INDEX runs_created ON runs (created_at);
CREATE INDEX runs_ended ON runs (job_id, finished_at, state, started_at) WHERE finished_at IS NOT NULL;
CREATE INDEX runs_failed_of_job ON runs (job_id, id) WHERE state = 'failed';
CREATE INDEX runs_of_backfill ON runs (backfill_id, id) WHERE backfill_id IS NOT NULL;

-- The same table as longhouse.runs.state.NEXT; a test holds them together.
CREATE TRIGGER runs_life BEFORE UPDATE OF state ON runs
WHEN NEW.state <> OLD.state AND NOT (
    (OLD.state = 'queued' AND NEW.state IN ('running', 'cancelled'))
    OR (OLD.state = 'running' AND NEW.state IN ('succeeded', 'degraded', 'skipped', 'retrying', 'failed', 'cancelled'))
    OR (OLD.state = 'retrying' AND NEW.state IN ('running', 'cancelled'))
)
BEGIN
    SELECT RAISE(ABORT, 'illegal run transition');
END;

CREATE TABLE attempts (
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    attempt INTEGER NOT NULL,
    owner TEXT NOT NULL, -- the server process that claimed it
    lease_until INTEGER NOT NULL,
    claimed_at INTEGER NOT NULL,
    pid INTEGER,
    started_ticks INTEGER,
    boot_id TEXT,
    started_at INTEGER,
    finished_at INTEGER,
    state TEXT, -- what this attempt made of the run; NULL while it lives
    reason TEXT,
    message TEXT NOT NULL DEFAULT '',
    exit_code INTEGER,
    signal INTEGER,
    cpu_seconds REAL,
    peak_memory_bytes INTEGER,
    output TEXT, -- file name under output/
    error TEXT, -- JSON
    retry_at INTEGER,
    PRIMARY KEY (run_id, attempt)
) STRICT, WITHOUT ROWID;

CREATE INDEX attempts_live ON attempts (owner, run_id) WHERE state IS NULL;

-- The ledger: one entry per due time that has passed. Consecutive due times with the same not-run end are one row.
CREATE TABLE firings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL,
    due INTEGER NOT NULL, -- the first due time of the row
    last_due INTEGER, -- NULL while the row is open
    count INTEGER, -- NULL while the row is open
    "end" TEXT NOT NULL,
    run_id INTEGER,
    recorded_at INTEGER NOT NULL,
    UNIQUE (job_id, due)
) STRICT;

CREATE UNIQUE INDEX firings_open ON firings (job_id) WHERE last_due IS NULL;
CREATE INDEX firings_missed ON firings (last_due)
    WHERE "end" IN ('missed_down', 'missed_late', 'missed_full', 'held_clock', 'skipped_overlap',
                    'blocked_approval', 'blocked_budget');
CREATE INDEX firings_not_run ON firings (job_id, due) WHERE "end" <> 'ran';
CREATE INDEX firings_run ON firings (run_id) WHERE run_id IS NOT NULL;

CREATE TABLE job_state (
    job_id TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL, -- JSON
    set_at INTEGER NOT NULL,
    PRIMARY KEY (job_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE artifacts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    attempt INTEGER NOT NULL,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    file TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (run_id, attempt, name)
) STRICT;

-- Runs that somebody deleted and that are not all gone yet: a row stands until the last of them is.
CREATE TABLE deletions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    doomed TEXT NOT NULL -- JSON, longhouse.store.deletions.Doomed
) STRICT;

-- What the browser and API clients are told; `id` is the SSE event id, so a reader resumes over a restart.
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    type TEXT NOT NULL,
    subject TEXT NOT NULL,
    data TEXT NOT NULL -- JSON
) STRICT;

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY, -- without gaps
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    surface TEXT NOT NULL,
    verb TEXT NOT NULL,
    subject TEXT NOT NULL,
    before TEXT NOT NULL, -- JSON
    after TEXT NOT NULL, -- JSON
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
-- What people and programs did, without the end of every run: there can be a million of those.
CREATE INDEX audit_acts ON audit (seq) WHERE verb <> 'run.finish';
CREATE INDEX audit_actor ON audit (actor, seq) WHERE verb <> 'run.finish';
CREATE INDEX audit_verb ON audit (verb, seq) WHERE verb <> 'run.finish';
CREATE INDEX audit_subject ON audit (subject, seq) WHERE verb <> 'run.finish';
CREATE INDEX audit_at ON audit (at) WHERE verb <> 'run.finish';

CREATE TABLE login_codes (
    hash TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    hash TEXT PRIMARY KEY,
    csrf TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    peer TEXT NOT NULL,
    agent TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL, -- JSON list
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    used_at INTEGER,
    revoked_at INTEGER
) STRICT;

-- Secrets of jobs and credentials of remotes; the value is encrypted and bound to its row.
CREATE TABLE sealed (
    realm TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL, -- of all values together, counting up
    sealed TEXT NOT NULL, -- longhouse.sealing
    tail TEXT NOT NULL, -- the last characters of a long value
    set_at INTEGER NOT NULL,
    set_by TEXT NOT NULL,
    PRIMARY KEY (realm, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency_keys (
    key TEXT NOT NULL,
    route TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    status INTEGER, -- NULL while the first request runs
    reply TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (key, route)
) STRICT, WITHOUT ROWID;
