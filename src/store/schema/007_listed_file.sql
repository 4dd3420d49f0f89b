-- Files that lists of targets name beside images and chunk lists: manifests, trust stores,
-- statements. Kept, and readable by the tenant's devices, while its newest lists name them.
CREATE TABLE listed_file (
    sha256  BLOB NOT NULL,
    tenant  INTEGER NOT NULL REFERENCES tenant (id),
    listing INTEGER NOT NULL,
    PRIMARY KEY (sha256, tenant)
) STRICT, WITHOUT ROWID;
