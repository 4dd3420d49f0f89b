-- Blobs are kept once, whoever brings them. What a tenant may see of them are those it has brought
-- itself and those that its releases name: nobody learns what others have.
CREATE TABLE blob_owner (
    tenant     INTEGER NOT NULL REFERENCES tenant (id),
    sha256     BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, sha256)
) STRICT, WITHOUT ROWID;
