-- What decides about updates in most selectors and in every admission stands in the device's own
-- row too, so that a walk over the fleet reads one row a device. Copies of the attributes
-- "product", "hw" (or else "hardware") and "security_floor", kept by store_attributes_set() alone.

ALTER TABLE device ADD COLUMN product TEXT NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN hardware TEXT NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN security_floor INTEGER NOT NULL DEFAULT 0; -- 2^32 - 1: unreadable

UPDATE device SET product = coalesce((SELECT value FROM attribute a
    WHERE a.tenant = device.tenant AND a.device = device.id AND a.name = 'product'), '');

UPDATE device SET hardware = coalesce((SELECT value FROM attribute a
    WHERE a.tenant = device.tenant AND a.device = device.id AND a.name IN ('hw', 'hardware')
    ORDER BY a.name = 'hw' DESC LIMIT 1), '');

UPDATE device SET security_floor = coalesce((SELECT CASE
        WHEN value = '' OR value GLOB '*[^0-9]*' OR length(ltrim(value, '0')) > 10 THEN 4294967295
        ELSE min(CAST(value AS INTEGER), 4294967295) END FROM attribute a
    WHERE a.tenant = device.tenant AND a.device = device.id AND a.name = 'security_floor'), 0);
