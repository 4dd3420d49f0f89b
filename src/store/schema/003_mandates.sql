-- Mandates for devices, the order of their reports, and why they said no.

-- Of the newest mandate of the device; it grows with every order.
ALTER TABLE device_state ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;

-- A device numbers its reports from 1 within an epoch. Rows have base + number, so that they stay
-- in order when it loses its record and draws another epoch.
ALTER TABLE device_state ADD COLUMN report_epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_state ADD COLUMN report_epoch_left INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_state ADD COLUMN report_base INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_state ADD COLUMN report_last INTEGER NOT NULL DEFAULT 0;

ALTER TABLE report ADD COLUMN reason TEXT NOT NULL DEFAULT ''; -- the device's: "floor"

ALTER TABLE assignment ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0; -- of its mandate; 0: none yet
ALTER TABLE assignment ADD COLUMN report_last INTEGER NOT NULL DEFAULT 0; -- what comes below is late
ALTER TABLE assignment ADD COLUMN reason TEXT NOT NULL DEFAULT ''; -- of the last report

UPDATE device_state SET report_last = coalesce((SELECT max(id) FROM report r
    WHERE r.tenant = device_state.tenant AND r.device = device_state.device), 0);

UPDATE assignment SET report_last = coalesce((SELECT max(id) FROM report r
    WHERE r.tenant = assignment.tenant AND r.device = assignment.device
    AND r.assignment = assignment.id), 0);

-- Deleted devices, as plain numbers: what they have shown of a release stays counted, and tallies
-- can be counted again from the assignments and these.
CREATE TABLE departed (
    tenant      INTEGER NOT NULL,
    rollout     INTEGER NOT NULL,
    stage       INTEGER NOT NULL,
    standing    INTEGER NOT NULL,
    whereabouts INTEGER NOT NULL,
    devices     INTEGER NOT NULL,
    PRIMARY KEY (tenant, rollout, stage, standing, whereabouts),
    FOREIGN KEY (tenant, rollout) REFERENCES rollout (tenant, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
