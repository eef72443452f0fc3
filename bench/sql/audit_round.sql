-- One round of bulk updates; \set round.
VACUUM bench.plain;
CALL bench.measure(:round, 'update plain', 'UPDATE bench.plain SET score = score + 1, seen = seen + interval ''1 day''');
VACUUM bench.ours;
CALL bench.measure(:round, 'update protected', 'UPDATE bench.ours SET score = score + 1, seen = seen + interval ''1 day''');
VACUUM bench.peer;
CALL bench.measure(:round, 'update PL/pgSQL trigger', 'UPDATE bench.peer SET score = score + 1, seen = seen + interval ''1 day''', 'TRUNCATE bench.peer_log');
