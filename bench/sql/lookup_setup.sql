-- \set rows, set by the caller: values of 19 digits, because those are what pgbench can draw.
CREATE EXTENSION IF NOT EXISTS gdpr_ext;
CREATE ROLE bench_free;
CREATE ROLE bench_bound;
GRANT USAGE ON SCHEMA bench TO bench_free, bench_bound;
SELECT gdpr.create_context('lookup', '{bench_free,bench_bound}');
SELECT gdpr.grant_context('lookup', current_user, 'write');

CREATE TABLE bench.look_plain (id int, tenant int, v text);
INSERT INTO bench.look_plain SELECT i, 1, (1000000000000000000 + i)::text FROM generate_series(1, :rows) i;
CREATE TABLE bench.look_enc (id int, tenant int, v enctext('lookup'));
INSERT INTO bench.look_enc SELECT id, tenant, v FROM bench.look_plain;
CREATE TABLE bench.look_hash (id int, tenant int, v enctext('lookup'));
INSERT INTO bench.look_hash SELECT * FROM bench.look_enc;
CREATE TABLE bench.look_storage (id int, tenant int, v text);
INSERT INTO bench.look_storage SELECT id, tenant, md5(v) || repeat('x', 40) FROM bench.look_plain;
CREATE INDEX ON bench.look_plain (v);
CREATE INDEX ON bench.look_hash USING hash (v);
CREATE INDEX ON bench.look_storage (v);
CREATE INDEX ON bench.look_enc (v);
GRANT SELECT ON bench.look_plain, bench.look_enc, bench.look_hash, bench.look_storage TO bench_free, bench_bound;

ALTER TABLE bench.look_plain ENABLE ROW LEVEL SECURITY;
ALTER TABLE bench.look_enc ENABLE ROW LEVEL SECURITY;
ALTER TABLE bench.look_hash ENABLE ROW LEVEL SECURITY;
ALTER TABLE bench.look_storage ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON bench.look_plain TO bench_bound USING (tenant % 2 = 1);
CREATE POLICY tenant ON bench.look_enc TO bench_bound USING (tenant % 2 = 1);
CREATE POLICY tenant ON bench.look_hash TO bench_bound USING (tenant % 2 = 1);
CREATE POLICY tenant ON bench.look_storage TO bench_bound USING (tenant % 2 = 1);
CREATE POLICY free ON bench.look_plain TO bench_free USING (true);
CREATE POLICY free ON bench.look_enc TO bench_free USING (true);
CREATE POLICY free ON bench.look_hash TO bench_free USING (true);
CREATE POLICY free ON bench.look_storage TO bench_free USING (true);
VACUUM (FREEZE, ANALYZE) bench.look_plain;
VACUUM (FREEZE, ANALYZE) bench.look_enc;
VACUUM (FREEZE, ANALYZE) bench.look_hash;
VACUUM (FREEZE, ANALYZE) bench.look_storage;
CHECKPOINT;
