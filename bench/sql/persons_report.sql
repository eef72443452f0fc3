\echo
\echo nanoseconds of processor time a value, medians; bound: half of the values were written
SELECT name, round((ms * 1e6 / :values * CASE WHEN name LIKE 'bound%' THEN 2 ELSE 1 END)::numeric, 0) AS ns, rounds
FROM bench.median ORDER BY name;
\echo medians of the rounds, over plain text and what storing costs, in times of what OpenSSL takes that is given
\echo another key for each value (two of five columns have a tag, the only one has none)
CREATE VIEW bench.ms AS
SELECT round, jsonb_object_agg(name, ms) AS ms FROM (SELECT round, name, avg(ms) AS ms FROM bench.result GROUP BY round, name) r GROUP BY round;
CREATE FUNCTION bench.ms(jsonb, text) RETURNS float8 LANGUAGE sql AS 'SELECT ($1 ->> $2)::float8';
SELECT cost, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ratio)::numeric, 2) AS times_bare,
	   round(min(ratio)::numeric, 2) AS least, round(max(ratio)::numeric, 2) AS most, aim
FROM bench.ms m, LATERAL (SELECT
		0.6 * bench.ms(ms, 'bare encrypt_rekeyed') + 0.4 * bench.ms(ms, 'bare encrypt_with_tag_rekeyed') AS seal,
		bench.ms(ms, 'bare encrypt_rekeyed') AS one, bench.ms(ms, 'bare decrypt_rekeyed') AS open) bare,
	LATERAL (SELECT greatest(bench.ms(ms, 'write storage'), bench.ms(ms, 'write plain')) AS stored,
		greatest(bench.ms(ms, 'bound storage'), bench.ms(ms, 'bound plain')) AS bound,
		greatest(bench.ms(ms, 'read storage'), bench.ms(ms, 'read plain')) AS read,
		greatest(bench.ms(ms, 'write one_storage'), bench.ms(ms, 'write one_plain')) AS one_stored) s,
	LATERAL (VALUES
	(1, 'bound parameters, persons with keys', (bench.ms(ms, 'bound keyed') - bound) * 2 / seal, 2.25),
	(2, 'the same in random order', (bench.ms(ms, 'bound keyed, random order') - bound) * 2 / seal, NULL),
	(3, 'INSERT ... SELECT, persons with keys', (bench.ms(ms, 'write keyed, persons with keys') - stored) / seal, 1.25),
	(4, 'INSERT ... SELECT, new persons', (bench.ms(ms, 'write keyed') - stored) / seal, NULL),
	(5, 'UPDATE, over plain', (bench.ms(ms, 'update keyed') - bench.ms(ms, 'update plain')) / seal, NULL),
	(6, 'read and cast to text, in order', (bench.ms(ms, 'read keyed') - read) / open, 1.3),
	(7, 'the same in random order', (bench.ms(ms, 'read keyed, random order') - read) / open, 1.3),
	(8, 'in order, with what reading as many bytes costs', (bench.ms(ms, 'read keyed') - bench.ms(ms, 'read plain')) / open, 1.3),
	(9, 'in order by two workers and the leader', (bench.ms(ms, 'read keyed, two workers') - bench.ms(ms, 'read plain, two workers')) / open, 1.3),
	(10, 'one value a person: INSERT ... SELECT, new persons', (bench.ms(ms, 'write one_keyed') - one_stored) / one, NULL),
	(11, 'one value a person: read', (bench.ms(ms, 'read one_keyed') - bench.ms(ms, 'read one_plain')) / open, NULL)
	) c(n, cost, ratio, aim)
GROUP BY n, cost, aim ORDER BY n;
