-- The signers' count of a product's releases: devices compare by it, and it is a fact that never
-- changes. 0: not stated; -1: published before this column was there.
ALTER TABLE release ADD COLUMN release_counter INTEGER NOT NULL DEFAULT -1;
