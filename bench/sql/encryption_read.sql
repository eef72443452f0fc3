-- The reading half of a round; \set round and rows by the caller.
-- The first touch of a page by this session is a fault that costs more than its rows.
SELECT count(length(v)) FROM bench.plain \g /dev/null
SELECT count(length(v)) FROM bench.storage \g /dev/null
SELECT count(*) FROM bench.enc WHERE v IS NOT NULL \g /dev/null
SELECT count(*) FROM bench.secret WHERE v IS NOT NULL \g /dev/null
SELECT count(length(v)) FROM bench.raw \g /dev/null
CALL bench.measure(:round, 'read plain', 'SELECT count(length(v)) FROM bench.plain');
CALL bench.measure(:round, 'read storage', 'SELECT count(length(bench.noop_back(v))) FROM bench.storage');
CALL bench.measure(:round, 'read enctext', 'SELECT count(length(v::text)) FROM bench.enc');
CALL bench.measure(:round, 'read encsecret', 'SELECT count(length(v::text)) FROM bench.secret');
SET max_parallel_workers_per_gather = 1;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
CALL bench.measure(:round, 'read plain, parallel', 'SELECT count(length(v)) FROM bench.plain');
CALL bench.measure(:round, 'read enctext, parallel', 'SELECT count(length(v::text)) FROM bench.enc');
RESET max_parallel_workers_per_gather;
CALL bench.measure(:round, 'read pgcrypto raw', $$SELECT count(length(decrypt(v, '0123456789abcdef0123456789abcdef', 'aes'))) FROM bench.raw$$);
CALL bench.measure(:round, 'read pgcrypto default (1/50)', $$SELECT count(length(pgp_sym_decrypt(v, 'secret'))) FROM bench.pgp$$);
CALL bench.measure(:round, 'read pgcrypto tuned (1/50)', $$SELECT count(length(pgp_sym_decrypt(v, 'secret'))) FROM bench.tuned$$);
CALL bench.measure(:round, 'search plain', $$SELECT count(*) FROM bench.plain WHERE v ILIKE 'user00000%'$$);
CALL bench.measure(:round, 'search enctext', $$SELECT count(*) FROM bench.enc WHERE v::text ILIKE 'user00000%'$$);
CALL bench.measure(:round, 'search plain (1/10)', $$SELECT count(*) FROM bench.plain_tenth WHERE v ILIKE 'user00000%'$$);
CALL bench.measure(:round, 'search enctext (1/10)', $$SELECT count(*) FROM bench.enc_tenth WHERE v::text ILIKE 'user00000%'$$);
