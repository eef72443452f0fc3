-- The writing half of a round, every case once; \set round and rows by the caller.
-- The first touch of a page of shared memory by this session is a fault that costs more than its rows: as many as
-- any case needs are touched before.
TRUNCATE bench.plain, bench.storage, bench.enc, bench.secret;
INSERT INTO bench.enc SELECT v FROM bench.source;
INSERT INTO bench.secret SELECT v FROM bench.source;
INSERT INTO bench.storage SELECT bench.noop(v) FROM bench.source;
TRUNCATE bench.storage, bench.enc, bench.secret;
CALL bench.measure(:round, 'write plain', 'INSERT INTO bench.plain SELECT v FROM bench.source', 'TRUNCATE bench.plain');
CALL bench.measure(:round, 'write storage', 'INSERT INTO bench.storage SELECT bench.noop(v) FROM bench.source', 'TRUNCATE bench.storage');
CALL bench.measure(:round, 'write enctext', 'INSERT INTO bench.enc SELECT v FROM bench.source', 'TRUNCATE bench.enc');
CALL bench.measure(:round, 'write encsecret', 'INSERT INTO bench.secret SELECT v FROM bench.source', 'TRUNCATE bench.secret');
CALL bench.measure(:round, 'write pgcrypto raw', $$INSERT INTO bench.raw SELECT encrypt(v::bytea, '0123456789abcdef0123456789abcdef', 'aes') FROM bench.source$$, 'TRUNCATE bench.raw');
CALL bench.measure(:round, 'write pgcrypto default (1/50)', $$INSERT INTO bench.pgp SELECT pgp_sym_encrypt(v, 'secret') FROM bench.source LIMIT (SELECT count(*) / 50 FROM bench.source)$$, 'TRUNCATE bench.pgp');
CALL bench.measure(:round, 'write pgcrypto tuned (1/50)', $$INSERT INTO bench.tuned SELECT pgp_sym_encrypt(v, 'secret', 'cipher-algo=aes256, compress-algo=0, s2k-mode=0') FROM bench.source LIMIT (SELECT count(*) / 50 FROM bench.source)$$, 'TRUNCATE bench.tuned');
