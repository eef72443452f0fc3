\echo of :saves saves each, microseconds a save of client time, medians of the rounds:
SELECT name, round((percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) * 1000)::numeric, 1) AS us, count(*) AS rounds
FROM bench.result GROUP BY name ORDER BY name;
\echo records of the log that they made, and whether every stored value is what it was (aims: 0, t):
SET ROLE bench_blind;
SELECT now.records - before.records AS records, now.values = before.values AS stored_as_before
FROM bench.stored now, bench.stored_before before;
RESET ROLE;
\echo pages; the aim is to grow by no more than with plain columns:
SELECT name, before.pages AS before, now.pages AS after, round(now.pages::numeric / before.pages, 3) AS times
FROM bench.pages now JOIN bench.pages_before before USING (name) ORDER BY 1;
