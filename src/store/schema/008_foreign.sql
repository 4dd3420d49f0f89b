-- Devices that speak somebody else's protocol: docs/design/foreign.md.

ALTER TABLE device ADD COLUMN protocol INTEGER NOT NULL DEFAULT 0; -- enum protocol of fleet/protocol.h

-- What is claimed, what is proven. enum assignment_proof of fleet/assignment.h.
ALTER TABLE assignment ADD COLUMN claimed_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE assignment ADD COLUMN proof INTEGER NOT NULL DEFAULT 0;
ALTER TABLE assignment ADD COLUMN ran TEXT NOT NULL DEFAULT ''; -- what it said it ran when admitted

UPDATE assignment SET proof = 2 WHERE state IN (6, 15); -- succeeded, rolled back: seen by digest

-- Whose word the release is: 0 its signers'; else the enum protocol whose management API brought
-- it, for devices of that protocol only. One without an image has no digests.
ALTER TABLE release ADD COLUMN authority INTEGER NOT NULL DEFAULT 0;

-- Files of a release in formats of other clients, signed or not as the release is.
CREATE TABLE artifact (
    tenant     INTEGER NOT NULL,
    id         INTEGER NOT NULL,
    release    INTEGER NOT NULL,
    format     INTEGER NOT NULL, -- enum artifact_format of fleet/protocol.h
    file       TEXT NOT NULL,
    part       TEXT NOT NULL,    -- of a hawkBit chunk; '': not said
    name       TEXT NOT NULL,    -- what runs it calls itself; '': the version
    target     TEXT NOT NULL,    -- TUF target name; '': not signed
    hardware   TEXT NOT NULL,    -- names with one space between them; '': any
    length     INTEGER NOT NULL,
    sha256     BLOB NOT NULL,
    listing    INTEGER NOT NULL, -- the last that vouched for it
    withdrawn  INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, release, format, file),
    FOREIGN KEY (tenant, release) REFERENCES release (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX artifact_by_blob ON artifact (sha256, tenant);

-- Digests that nothing here relies on, of blobs that somebody has asked them of.
CREATE TABLE blob_digests (
    sha256 BLOB PRIMARY KEY,
    sha1   BLOB NOT NULL,
    md5    BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE foreign_device (
    tenant           INTEGER NOT NULL,
    device           INTEGER NOT NULL,
    protocol         INTEGER NOT NULL,
    external         TEXT NOT NULL,    -- the name its protocol knows it by
    runs             TEXT NOT NULL,    -- what it last said that it runs
    wants_attributes INTEGER NOT NULL, -- 1: it shall be asked for them
    PRIMARY KEY (tenant, device),
    UNIQUE (tenant, protocol, external),
    FOREIGN KEY (tenant, device) REFERENCES device (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- What such a device shows at the door: of a token only the hash is here.
CREATE TABLE foreign_credential (
    tenant     INTEGER NOT NULL,
    id         INTEGER NOT NULL,
    device     INTEGER NOT NULL,
    kind       INTEGER NOT NULL, -- enum foreign_kind of store/foreign.h
    status     INTEGER NOT NULL, -- enum device_status of fleet/decide.h
    sha256     BLOB NOT NULL,
    public_key BLOB NOT NULL,    -- DER; x'': a token
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, device, kind, sha256),
    FOREIGN KEY (tenant, device) REFERENCES device (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- One secret for many devices.
CREATE TABLE foreign_gateway (
    tenant     INTEGER NOT NULL REFERENCES tenant (id),
    id         INTEGER NOT NULL,
    protocol   INTEGER NOT NULL,
    name       TEXT NOT NULL,
    sha256     BLOB NOT NULL,
    selector   TEXT NOT NULL, -- whom it may speak for; '': all
    created_by TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, name),
    UNIQUE (tenant, protocol, sha256)
) STRICT, WITHOUT ROWID;

-- What devices said of an assignment, word for word.
CREATE TABLE foreign_word (
    tenant     INTEGER NOT NULL,
    device     INTEGER NOT NULL,
    assignment INTEGER NOT NULL,
    id         INTEGER NOT NULL, -- counts from 1 for each assignment
    at_ms      INTEGER NOT NULL,
    phase      TEXT NOT NULL,
    code       INTEGER NOT NULL,
    text       TEXT NOT NULL,
    PRIMARY KEY (tenant, device, assignment, id),
    FOREIGN KEY (tenant, device) REFERENCES device (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
