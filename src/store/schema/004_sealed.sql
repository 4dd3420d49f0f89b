-- Sealed releases: docs/spec/sealed.md.

-- The device's public sealing key, with its kind; x'': it takes no sealed images.
ALTER TABLE device ADD COLUMN sealing_key BLOB NOT NULL DEFAULT x'';

ALTER TABLE release ADD COLUMN seal INTEGER NOT NULL DEFAULT 0; -- 0: in the clear; 1 + aead_kind
ALTER TABLE release ADD COLUMN key_check BLOB NOT NULL DEFAULT x''; -- tells the right content key

-- Encrypted under pki/content.key (app/content.h); x'': nobody has brought it yet.
ALTER TABLE release ADD COLUMN content_key BLOB NOT NULL DEFAULT x'';
