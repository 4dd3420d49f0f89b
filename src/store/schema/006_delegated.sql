-- Lists of roles that targets delegate to, as they were received, every version. One a role may wait
-- for targets that delegate to its signers.
CREATE TABLE delegated (
    tenant     INTEGER NOT NULL REFERENCES tenant (id),
    role       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    waiting    INTEGER NOT NULL,
    bytes      BLOB NOT NULL,
    expires_ms INTEGER NOT NULL,
    stored_ms  INTEGER NOT NULL,
    PRIMARY KEY (tenant, role, version)
) STRICT;

-- Several lists now vouch for releases: what counts is the last listing of them all, a number that
-- grows with every change of any.
ALTER TABLE release RENAME COLUMN targets_version TO listing;
