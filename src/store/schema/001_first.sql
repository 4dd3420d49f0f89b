-- The first shape of everything Slipway remembers.
--
-- Rules: tenant is the first part of every key and device the second wherever there is one, so
-- that the tables distribute by device. No column is NULL: 0, '' and x'' mean "none". Times are
-- milliseconds since 1970 UTC (_ms). Digests are 32 raw bytes. Ids come from `counter`, are
-- never reused, and start at 1. Names of states are the numbers of the enums in src/fleet.

CREATE TABLE tenant (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE counter (
    tenant INTEGER NOT NULL REFERENCES tenant (id),
    noun   TEXT NOT NULL,
    next   INTEGER NOT NULL, -- the id that will be given next
    PRIMARY KEY (tenant, noun)
) STRICT, WITHOUT ROWID;

-- What seldom changes about a device. enum device_status in fleet/decide.h.
CREATE TABLE device (
    tenant         INTEGER NOT NULL REFERENCES tenant (id),
    id             INTEGER NOT NULL,
    name           TEXT NOT NULL,
    status         INTEGER NOT NULL,
    key_sha256     BLOB NOT NULL,     -- of the public key it enrolled with (SubjectPublicKeyInfo)
    utc_offset_min INTEGER NOT NULL,  -- its local time, for maintenance windows
    hold           INTEGER NOT NULL,  -- 1: an operator keeps every update away from it
    note           TEXT NOT NULL,
    created_ms     INTEGER NOT NULL,
    status_ms      INTEGER NOT NULL,  -- when `status` last changed
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX device_not_active ON device (tenant, status, id) WHERE status <> 1;

-- What changes with every report: kept narrow, without secondary indexes.
CREATE TABLE device_state (
    tenant          INTEGER NOT NULL,
    device          INTEGER NOT NULL,
    running         BLOB NOT NULL,    -- digest of the image it says it runs
    other           BLOB NOT NULL,    -- digest of the image in its other bank
    version         TEXT NOT NULL,    -- of the running image, in the device's own words
    inventory       BLOB NOT NULL,    -- 8 bytes: which inventory we hold
    boot_count      INTEGER NOT NULL,
    agent_state     INTEGER NOT NULL,
    last_seen_ms    INTEGER NOT NULL,
    assignment      INTEGER NOT NULL, -- the open one, or 0
    wanted          INTEGER NOT NULL, -- DEVICE_WANTS_*: what to ask it for at its next poll
    PRIMARY KEY (tenant, device),
    FOREIGN KEY (tenant, device) REFERENCES device (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE attribute (
    tenant INTEGER NOT NULL,
    device INTEGER NOT NULL,
    name   TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (tenant, device, name),
    FOREIGN KEY (tenant, device) REFERENCES device (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE tag (
    tenant INTEGER NOT NULL,
    device INTEGER NOT NULL,
    name   TEXT NOT NULL,
    PRIMARY KEY (tenant, device, name),
    FOREIGN KEY (tenant, device) REFERENCES device (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE group_member (
    tenant INTEGER NOT NULL,
    device INTEGER NOT NULL,
    name   TEXT NOT NULL, -- of the group
    PRIMARY KEY (tenant, device, name),
    FOREIGN KEY (tenant, device) REFERENCES device (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX group_member_by_name ON group_member (tenant, name, device);

CREATE TABLE certificate (
    tenant       INTEGER NOT NULL,
    device       INTEGER NOT NULL,
    fingerprint  BLOB NOT NULL, -- SHA-256 of the DER certificate
    issued_ms    INTEGER NOT NULL,
    not_after_ms INTEGER NOT NULL,
    revoked_ms   INTEGER NOT NULL, -- 0: not revoked
    PRIMARY KEY (tenant, device, fingerprint),
    FOREIGN KEY (tenant, device) REFERENCES device (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- A claim lets one new device in. Only the hash of the token is here.
CREATE TABLE claim (
    tenant       INTEGER NOT NULL REFERENCES tenant (id),
    id           INTEGER NOT NULL,
    token_sha256 BLOB NOT NULL,
    device_name  TEXT NOT NULL, -- only for this name, and then also with a new key; '': any
    note         TEXT NOT NULL,
    created_by   TEXT NOT NULL,
    created_ms   INTEGER NOT NULL,
    expires_ms   INTEGER NOT NULL,
    used_ms      INTEGER NOT NULL,
    used_by      TEXT NOT NULL, -- device name
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, token_sha256)
) STRICT, WITHOUT ROWID;

CREATE TABLE preauthorized (
    tenant     INTEGER NOT NULL REFERENCES tenant (id),
    name       TEXT NOT NULL,
    key_sha256 BLOB NOT NULL,
    created_by TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

-- API tokens. enum of roles in fleet/access.h. Only the hash of the secret is here.
CREATE TABLE token (
    tenant       INTEGER NOT NULL REFERENCES tenant (id),
    id           INTEGER NOT NULL,
    name         TEXT NOT NULL,
    role         INTEGER NOT NULL,
    token_sha256 BLOB NOT NULL,
    created_by   TEXT NOT NULL,
    created_ms   INTEGER NOT NULL,
    expires_ms   INTEGER NOT NULL, -- 0: never
    revoked_ms   INTEGER NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, token_sha256)
) STRICT, WITHOUT ROWID;

-- When a token was last used, to the minute: written often, so apart from what is read always.
CREATE TABLE token_use (
    tenant  INTEGER NOT NULL,
    token   INTEGER NOT NULL,
    used_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, token),
    FOREIGN KEY (tenant, token) REFERENCES token (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Every TUF file as it was received or made. enum metadata_role in store/metadata.h.
CREATE TABLE metadata (
    tenant     INTEGER NOT NULL REFERENCES tenant (id),
    role       INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    bytes      BLOB NOT NULL,
    expires_ms INTEGER NOT NULL,
    stored_ms  INTEGER NOT NULL,
    PRIMARY KEY (tenant, role, version)
) STRICT;

-- One signed target. `sha256` and `length` are of the file to download; `plain_*` of the image
-- that then runs.
CREATE TABLE release (
    tenant           INTEGER NOT NULL REFERENCES tenant (id),
    id               INTEGER NOT NULL,
    product          TEXT NOT NULL,
    version          TEXT NOT NULL,
    target           TEXT NOT NULL, -- TUF target name
    hardware         TEXT NOT NULL, -- names with one space between them; '': any
    bases            TEXT NOT NULL, -- what it may be applied on, with spaces; '': anything
    kind             INTEGER NOT NULL,
    security_version INTEGER NOT NULL,
    security_floor   INTEGER NOT NULL,
    length           INTEGER NOT NULL,
    sha256           BLOB NOT NULL,
    plain_length     INTEGER NOT NULL,
    plain_sha256     BLOB NOT NULL,
    chunk_size       INTEGER NOT NULL,
    chunks_sha256    BLOB NOT NULL,
    targets_version  INTEGER NOT NULL, -- the targets.json that last vouched for it
    withdrawn        INTEGER NOT NULL, -- 1: the present targets.json no longer lists it
    created_ms       INTEGER NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, product, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX release_by_image ON release (tenant, plain_sha256);

-- struct rollout of fleet/rollout.h, plus what people called it.
CREATE TABLE rollout (
    tenant            INTEGER NOT NULL,
    id                INTEGER NOT NULL,
    name              TEXT NOT NULL,
    release           INTEGER NOT NULL,
    selector          TEXT NOT NULL,
    seed              INTEGER NOT NULL, -- orders the admission of devices
    created_by        TEXT NOT NULL,
    created_ms        INTEGER NOT NULL,
    approved_by       TEXT NOT NULL,
    -- the plan
    deadline_s        INTEGER NOT NULL,
    retry_limit       INTEGER NOT NULL,
    needs_approval    INTEGER NOT NULL,
    start_ms          INTEGER NOT NULL, -- scheduled, 0: by hand
    end_ms            INTEGER NOT NULL,
    window_days       INTEGER NOT NULL, -- bit 0 Monday .. bit 6 Sunday
    window_start_min  INTEGER NOT NULL, -- minutes after the device's midnight
    window_duration_s INTEGER NOT NULL, -- 0: no window
    -- the course
    state             INTEGER NOT NULL,
    cause             INTEGER NOT NULL,
    reason            TEXT NOT NULL,    -- of the last change of state, for people
    state_ms          INTEGER NOT NULL, -- when it last changed
    stage             INTEGER NOT NULL,
    soaking           INTEGER NOT NULL,
    closed            INTEGER NOT NULL,
    selected          INTEGER NOT NULL, -- devices
    quiet_since_ms    INTEGER NOT NULL,
    admit_after_ms    INTEGER NOT NULL,
    away              INTEGER NOT NULL, -- devices by whereabouts
    on_the_way        INTEGER NOT NULL,
    back              INTEGER NOT NULL,
    stranded          INTEGER NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, name),
    FOREIGN KEY (tenant, release) REFERENCES release (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollout_stage (
    tenant            INTEGER NOT NULL,
    rollout           INTEGER NOT NULL,
    stage             INTEGER NOT NULL, -- from 0
    -- the plan
    permille          INTEGER NOT NULL, -- of the selection, or
    devices           INTEGER NOT NULL, -- so many
    soak_s            INTEGER NOT NULL,
    failures_permille INTEGER NOT NULL,
    failures_count    INTEGER NOT NULL,
    sample_min        INTEGER NOT NULL,
    -- the course: devices by standing, and what a person has forgiven
    waiting           INTEGER NOT NULL,
    exposed           INTEGER NOT NULL,
    good              INTEGER NOT NULL,
    failed            INTEGER NOT NULL,
    silent            INTEGER NOT NULL,
    forgiven_good     INTEGER NOT NULL,
    forgiven_reported INTEGER NOT NULL,
    forgiven_silent   INTEGER NOT NULL,
    forgiven_ms       INTEGER NOT NULL,
    PRIMARY KEY (tenant, rollout, stage),
    FOREIGN KEY (tenant, rollout) REFERENCES rollout (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- struct assignment of fleet/assignment.h. A device without a row is a candidate.
CREATE TABLE assignment (
    tenant      INTEGER NOT NULL,
    id          INTEGER NOT NULL,
    device      INTEGER NOT NULL,
    rollout     INTEGER NOT NULL,
    release     INTEGER NOT NULL,
    target      BLOB NOT NULL,    -- plain digest that shall run in the end
    previous    BLOB NOT NULL,    -- what ran when it was admitted
    state       INTEGER NOT NULL,
    standing    INTEGER NOT NULL,
    whereabouts INTEGER NOT NULL,
    err         INTEGER NOT NULL,
    stage       INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    admitted_ms INTEGER NOT NULL,
    heard_ms    INTEGER NOT NULL, -- the device's last_seen_ms may be newer
    moved_ms    INTEGER NOT NULL,
    flipped_ms  INTEGER NOT NULL,
    counted_ms  INTEGER NOT NULL,
    retry_ms    INTEGER NOT NULL,
    look_ms     INTEGER NOT NULL, -- the tick must look at it then, perhaps for nothing; 0: never
    percent     INTEGER NOT NULL,
    detail      TEXT NOT NULL,    -- of the last report, for people
    PRIMARY KEY (tenant, device, id),
    UNIQUE (tenant, device, rollout),
    FOREIGN KEY (tenant, device) REFERENCES device (tenant, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant, rollout) REFERENCES rollout (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX assignment_of_rollout ON assignment (tenant, rollout, id);
CREATE INDEX assignment_waiting ON assignment (tenant, rollout, id) WHERE standing = 1;
CREATE INDEX assignment_to_look_at ON assignment (look_ms) WHERE look_ms <> 0;

-- Append-only. The device numbers its reports, so a repeat is recognised by its key.
CREATE TABLE report (
    tenant      INTEGER NOT NULL,
    device      INTEGER NOT NULL,
    id          INTEGER NOT NULL,
    assignment  INTEGER NOT NULL,
    phase       INTEGER NOT NULL,
    err         INTEGER NOT NULL,
    percent     INTEGER NOT NULL,
    boot_count  INTEGER NOT NULL,
    running     BLOB NOT NULL,
    detail      TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    verdict     INTEGER NOT NULL, -- what it was answered with
    retry_s     INTEGER NOT NULL,
    PRIMARY KEY (tenant, device, id),
    FOREIGN KEY (tenant, device) REFERENCES device (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TRIGGER report_is_append_only BEFORE UPDATE ON report
BEGIN
    SELECT RAISE(ABORT, 'a report is never changed');
END;

CREATE TABLE device_log (
    tenant     INTEGER NOT NULL,
    device     INTEGER NOT NULL,
    id         INTEGER NOT NULL, -- counts from 1 for each device
    assignment INTEGER NOT NULL,
    at_ms      INTEGER NOT NULL,
    size       INTEGER NOT NULL, -- bytes
    text       BLOB NOT NULL,
    PRIMARY KEY (tenant, device, id),
    FOREIGN KEY (tenant, device) REFERENCES device (tenant, id) ON DELETE CASCADE
) STRICT;

-- How long a device had been away each time it came back.
CREATE TABLE gap (
    tenant  INTEGER NOT NULL,
    device  INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL, -- when it was back
    away_ms INTEGER NOT NULL, -- duration
    PRIMARY KEY (tenant, device, at_ms),
    FOREIGN KEY (tenant, device) REFERENCES device (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    tenant INTEGER NOT NULL REFERENCES tenant (id),
    seq    INTEGER NOT NULL,
    line   BLOB NOT NULL, -- the entry in its canonical form, see fleet/audit.h
    hash   BLOB NOT NULL, -- of this line and the hash before it
    PRIMARY KEY (tenant, seq)
) STRICT;

CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is never changed');
END;

CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is never shortened');
END;

-- The end of the chain, so that appending reads one row.
CREATE TABLE audit_head (
    tenant INTEGER PRIMARY KEY REFERENCES tenant (id),
    seq    INTEGER NOT NULL,
    hash   BLOB NOT NULL
) STRICT;

-- Replies to POST requests that carried an Idempotency-Key.
CREATE TABLE idempotency (
    tenant         INTEGER NOT NULL REFERENCES tenant (id),
    token          INTEGER NOT NULL, -- whose key it is
    key            TEXT NOT NULL,
    request_sha256 BLOB NOT NULL,    -- of method, path and body
    status         INTEGER NOT NULL,
    content_type   TEXT NOT NULL,
    body           BLOB NOT NULL,
    at_ms          INTEGER NOT NULL,
    PRIMARY KEY (tenant, token, key)
) STRICT;

CREATE INDEX idempotency_by_age ON idempotency (at_ms);

INSERT INTO tenant (id, name, created_ms) VALUES (1, 'default', 0);
INSERT INTO audit_head (tenant, seq, hash) VALUES (1, 0, x'');
