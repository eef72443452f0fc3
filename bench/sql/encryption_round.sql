-- One round, every case once; \set round and rows by the caller.
CALL bench.measure(:round, 'write plain', 'INSERT INTO bench.plain SELECT v FROM bench.source', 'TRUNCATE bench.plain');
CALL bench.measure(:round, 'write storage', 'INSERT INTO bench.storage SELECT v FROM bench.source_bytes', 'TRUNCATE bench.storage');
CALL bench.measure(:round, 'write enctext', 'INSERT INTO bench.enc SELECT v FROM bench.source', 'TRUNCATE bench.enc');
CALL bench.measure(:round, 'write encsecret', 'INSERT INTO bench.secret SELECT v FROM bench.source', 'TRUNCATE bench.secret');
CALL bench.measure(:round, 'write pgcrypto raw', $$INSERT INTO bench.raw SELECT encrypt(v::bytea, '0123456789abcdef0123456789abcdef', 'aes') FROM bench.source$$, 'TRUNCATE bench.raw');
CALL bench.measure(:round, 'write pgcrypto default (1/50)', $$INSERT INTO bench.pgp SELECT pgp_sym_encrypt(v, 'secret') FROM bench.source LIMIT (SELECT count(*) / 50 FROM bench.source)$$, 'TRUNCATE bench.pgp');
CALL bench.measure(:round, 'read plain', 'SELECT count(length(v)) FROM bench.plain');
CALL bench.measure(:round, 'read enctext', 'SELECT count(length(v::text)) FROM bench.enc');
CALL bench.measure(:round, 'read encsecret', 'SELECT count(length(v::text)) FROM bench.secret');
CALL bench.measure(:round, 'read pgcrypto raw', $$SELECT count(length(decrypt(v, '0123456789abcdef0123456789abcdef', 'aes'))) FROM bench.raw$$);
CALL bench.measure(:round, 'read pgcrypto default (1/50)', $$SELECT count(length(pgp_sym_decrypt(v, 'secret'))) FROM bench.pgp$$);
