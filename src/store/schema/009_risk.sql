-- Rollouts that are judged by evidence: fleet/risk.h, docs/design/risk.md.

-- The plan. enum rollout_strategy of store/rollout.h.
ALTER TABLE rollout ADD COLUMN strategy INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rollout ADD COLUMN harmed_max INTEGER NOT NULL DEFAULT 0; -- devices
ALTER TABLE rollout ADD COLUMN doubt_ppm INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rollout ADD COLUMN floor_ppm INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rollout ADD COLUMN background_ppm INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rollout ADD COLUMN observe_s INTEGER NOT NULL DEFAULT 0;

-- One row from the moment when the devices of such a rollout have been sorted into cohorts.
CREATE TABLE risk (
    tenant    INTEGER NOT NULL,
    rollout   INTEGER NOT NULL,
    opened_ms INTEGER NOT NULL, -- second 0 of the journal
    entries   INTEGER NOT NULL, -- of the journal
    terms     BLOB NOT NULL,    -- CBOR: struct risk_terms of store/risk.h, number by number
    PRIMARY KEY (tenant, rollout),
    FOREIGN KEY (tenant, rollout) REFERENCES rollout (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Names of cohorts, strata and sites. enum risk_label_kind of store/risk.h.
CREATE TABLE risk_label (
    tenant  INTEGER NOT NULL,
    rollout INTEGER NOT NULL,
    kind    INTEGER NOT NULL,
    number  INTEGER NOT NULL, -- from 0
    name    TEXT NOT NULL,
    size    INTEGER NOT NULL, -- devices
    due_0_s INTEGER NOT NULL, -- of a stratum: deadlines of devices without a history
    due_1_s INTEGER NOT NULL,
    due_2_s INTEGER NOT NULL,
    PRIMARY KEY (tenant, rollout, kind, number),
    FOREIGN KEY (tenant, rollout) REFERENCES risk (tenant, rollout) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- What was known of a device when it was first met. It outlives the device: the journal names it.
CREATE TABLE risk_device (
    tenant     INTEGER NOT NULL,
    rollout    INTEGER NOT NULL,
    number     INTEGER NOT NULL, -- from 0
    device     INTEGER NOT NULL,
    cohorts    BLOB NOT NULL,    -- two bytes each, the low one first
    stratum    INTEGER NOT NULL,
    kind       INTEGER NOT NULL,
    site       INTEGER NOT NULL, -- 2^32 - 1: none
    due_0      INTEGER NOT NULL, -- ticks from the flip
    due_1      INTEGER NOT NULL,
    due_2      INTEGER NOT NULL,
    watched_ms INTEGER NOT NULL, -- as one without the release, since then; 0: not
    answered   INTEGER NOT NULL, -- entry of the journal with the last answer to it; 0: none
    PRIMARY KEY (tenant, rollout, number),
    UNIQUE (tenant, rollout, device),
    FOREIGN KEY (tenant, rollout) REFERENCES risk (tenant, rollout) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- fleet/risk_journal.h has the form of an entry.
CREATE TABLE risk_journal (
    tenant  INTEGER NOT NULL,
    rollout INTEGER NOT NULL,
    number  INTEGER NOT NULL, -- from 1, without holes
    entry   BLOB NOT NULL,
    PRIMARY KEY (tenant, rollout, number),
    FOREIGN KEY (tenant, rollout) REFERENCES risk (tenant, rollout) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TRIGGER risk_journal_is_append_only BEFORE UPDATE ON risk_journal
BEGIN
    SELECT RAISE(ABORT, 'the journal of a rollout is never changed');
END;
