-- How long ago a device of a stratum may last have been heard of at a random moment: longer than its
-- deadline, because random moments fall into long gaps (gap_class_watch_s() in fleet/gap.h).

ALTER TABLE risk_label ADD COLUMN watch_s INTEGER NOT NULL DEFAULT 0; -- of a stratum; 0: not known
